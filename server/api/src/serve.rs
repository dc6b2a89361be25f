//! The public entry: bound listeners and a service in, a future that ends after the drain out.

use std::{future::Future, sync::Arc, time::Duration};

use girandole_core::{Error, Result};
use girandole_runtime::service::Service;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    layers,
    limits::{ConnectionLimits, Limits},
    listener::Listener,
    log_control::LogControl,
    metrics,
    oip::{Oip, grpc, rest},
    security::Tls,
};

/// Where the metrics are served, and from what.
pub struct Metrics {
    /// The bound listener; never TLS, as scrapers are.
    pub listener: TcpListener,
    /// The recorder's handle.
    pub handle: PrometheusHandle,
}

/// What to serve, and within which bounds.
pub struct ApiOptions {
    /// The bound REST listener; `None` serves no REST.
    pub http: Option<TcpListener>,
    /// The bound gRPC listener; `None` serves no gRPC.
    pub grpc: Option<TcpListener>,
    /// The metrics; `None` serves none.
    pub metrics: Option<Metrics>,
    /// TLS for REST and gRPC; `None` serves them unencrypted.
    pub tls: Option<Tls>,
    /// How often the certificate's files are looked at.
    pub tls_poll: Duration,
    /// Bounds on requests.
    pub limits: Limits,
    /// Bounds on connections.
    pub connections: ConnectionLimits,
    /// How long requests in work may take to finish after the shutdown began.
    pub drain: Duration,
}

impl Default for ApiOptions {
    fn default() -> Self {
        Self {
            http: None,
            grpc: None,
            metrics: None,
            tls: None,
            tls_poll: Duration::from_secs(10),
            limits: Limits::default(),
            connections: ConnectionLimits::default(),
            drain: Duration::from_secs(30),
        }
    }
}

/// Serves until `shutdown`, then stops accepting, lets requests in work finish and ends.
///
/// The metrics are served until everything else has ended, so that the drain can be watched.
///
/// # Errors
/// `Internal` where the reflection service cannot be built.
pub async fn serve(
    options: ApiOptions,
    service: Service,
    log: Arc<dyn LogControl>,
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    let ApiOptions { http, grpc: grpc_socket, metrics, tls, tls_poll, limits, connections, drain } = options;
    let oip = Oip { service, limits, log };
    let (stop, stop_metrics) = (CancellationToken::new(), CancellationToken::new());
    let mut protocols = JoinSet::new();
    let mut background = JoinSet::new();
    if let Some(metrics) = metrics {
        let router = metrics::router(metrics.handle);
        let listener = Listener { socket: metrics.listener, router, tls: None, limits: connections };
        background.spawn(listener.serve(stop_metrics.clone(), Duration::ZERO));
    }
    if let Some(socket) = http {
        let router = layers::rest(rest::router(oip.clone()));
        let listener = Listener { socket, router, tls: tls.clone(), limits: connections };
        protocols.spawn(listener.serve(stop.clone(), drain));
    }
    if let Some(socket) = grpc_socket {
        let router = layers::grpc(grpc::router(oip, stop.clone())?);
        let listener = Listener { socket, router, tls: tls.clone(), limits: connections };
        protocols.spawn(listener.serve(stop.clone(), drain));
    }
    let follower = tls.map(|tls| background.spawn(tls.follow(tls_poll)));
    shutdown.await;
    stop.cancel();
    let protocols = protocols.join_all();
    protocols.await;
    stop_metrics.cancel();
    follower.inspect(tokio::task::AbortHandle::abort);
    while let Some(ended) = background.join_next().await {
        ended.or_else(|error| {
            if error.is_cancelled() { Ok(()) } else { Err(Error::internal("a listener failed")) }
        })?;
    }
    Ok(())
}
