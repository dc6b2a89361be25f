//! The public entry: bound listeners and a service in, a future that ends after the drain out.

use std::{future::Future, sync::Arc, time::Duration};

use girandole_core::{Error, Result};
use girandole_runtime::service::Service;
use tokio::{net::TcpListener, task::JoinSet, time::Instant};

use crate::{
    admin::{self, Admin, AdminListener},
    layers::{Style, concurrency::Bound, front::Front, intake::Intake},
    limits::{ConnectionLimits, Limits},
    listener::Listener,
    log_control::LogControl,
    metrics,
    oip::{Means, Oip, grpc, rest},
    security::{Guard, Tls},
    stop,
};

/// Where the metrics are served, and from what.
pub struct Metrics {
    /// The bound listener; never TLS, as scrapers are.
    pub listener: TcpListener,
    /// What they are now, as Prometheus' text.
    pub render: metrics::Render,
}

/// What to serve, and within which bounds.
pub struct ApiOptions {
    /// The bound REST listener; `None` serves no REST.
    pub http: Option<TcpListener>,
    /// The bound gRPC listener; `None` serves no gRPC.
    pub grpc: Option<TcpListener>,
    /// The metrics; `None` serves none.
    pub metrics: Option<Metrics>,
    /// The listener for administration; `None` serves none.
    pub admin: Option<AdminListener>,
    /// TLS for REST, gRPC and administration; `None` serves them unencrypted.
    pub tls: Option<Tls>,
    /// How often the files of the certificate and of the policy are looked at.
    pub tls_poll: Duration,
    /// Who may do what.
    pub guard: Guard,
    /// Bounds on requests.
    pub limits: Limits,
    /// Bounds on connections.
    pub connections: ConnectionLimits,
}

impl Default for ApiOptions {
    fn default() -> Self {
        Self {
            http: None,
            grpc: None,
            metrics: None,
            admin: None,
            tls: None,
            tls_poll: Duration::from_secs(10),
            guard: Guard::open(),
            limits: Limits::default(),
            connections: ConnectionLimits::default(),
        }
    }
}

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The moment by which everything had to have ended.
    pub deadline: Instant,
    /// Requests that were still in work then, and were cut off.
    pub cut_off: usize,
}

/// Serves until `shutdown` resolves, then stops accepting, lets requests in work finish until the deadline
/// that `shutdown` gives, and cuts off what is left.
///
/// The metrics are served until everything else has ended, so that the drain can be watched.
///
/// # Errors
/// `Internal` where the reflection service cannot be built, or a listener fails.
pub async fn serve(
    options: ApiOptions,
    service: Service,
    log: Arc<dyn LogControl>,
    shutdown: impl Future<Output = Instant>,
) -> Result<Ended> {
    let ApiOptions {
        http,
        grpc: grpc_socket,
        metrics,
        admin: administration,
        tls,
        tls_poll,
        guard,
        limits,
        connections,
    } = options;
    let intake = Intake { service: service.clone(), limits, style: Style::Rest };
    let requests = Bound::new(limits.max_concurrent_requests);
    let oip = Oip::new(Means { service: service.clone(), limits, log, guard: guard.clone(), requests });
    let ((end, stop), (end_metrics, stop_metrics)) = (stop::channel(), stop::channel());
    let mut protocols = JoinSet::new();
    let mut background = JoinSet::new();
    let mut followers = JoinSet::new();
    if let Some(metrics) = metrics {
        let front = Front::bare(metrics::router(metrics.render, guard.clone()));
        let listener =
            Listener { socket: metrics.listener, front, tls: None, limits: connections, peers: false };
        background.spawn(listener.serve(stop_metrics));
    }
    if let Some(socket) = http {
        let front = Front::rest(rest::router(oip.clone()), intake.clone());
        let listener = Listener { socket, front, tls: tls.clone(), limits: connections, peers: false };
        protocols.spawn(listener.serve(stop.clone()));
    }
    if let Some(socket) = grpc_socket {
        let front = Front::bare(grpc::router(oip, stop.clone())?);
        let listener = Listener { socket, front, tls: tls.clone(), limits: connections, peers: false };
        protocols.spawn(listener.serve(stop.clone()));
    }
    if let Some(AdminListener { socket, access, trail }) = administration {
        let front = Front::rest(admin::router(Admin { service, trail }, access), intake);
        let listener = Listener { socket, front, tls: tls.clone(), limits: connections, peers: true };
        protocols.spawn(listener.serve(stop));
    }
    if !guard.is_open() {
        followers.spawn(guard.follow(tls_poll));
    }
    if let Some(tls) = tls {
        followers.spawn(tls.follow(tls_poll));
    }
    let deadline = shutdown.await;
    end.announce(deadline);
    let cut_off = join(protocols).await?;
    end_metrics.announce(Instant::now());
    join(background).await?;
    followers.shutdown().await;
    Ok(Ended { deadline, cut_off })
}

/// Waits for listeners, and adds up what they cut off.
async fn join(mut listeners: JoinSet<usize>) -> Result<usize> {
    let mut cut_off = 0;
    while let Some(ended) = listeners.join_next().await {
        cut_off += ended.map_err(|_| Error::internal("a listener failed"))?;
    }
    Ok(cut_off)
}
