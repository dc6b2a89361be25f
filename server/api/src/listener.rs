//! Accepting connections: bounds on how many, how slow and how odd they may be, TLS, and a graceful end.
//!
//! Nothing that a client does ends the accept loop. Every connection is its own task; what it holds (its
//! place among the connections, its socket) goes with it.

mod first_bytes;
mod in_work;

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use girandole_access::certificate_names;
use http::Extensions;
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{timeout, timeout_at},
};
use tokio_rustls::TlsAcceptor;

use self::{
    first_bytes::FirstBytes,
    in_work::{Counted, InWork},
};
use crate::{
    layers::front::Front,
    limits::ConnectionLimits,
    security::{ClientNames, Tls},
    stop::Stop,
};

/// How long to wait before accepting again when the process has run out of file descriptors.
const EXHAUSTED: Duration = Duration::from_millis(50);

/// How often an idle HTTP/2 connection is asked whether it is still there, and how long it may think.
const PING: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(20));

/// Bytes of a request's head.
const MAX_HEAD: u32 = 64 << 10;

/// HTTP/2 flow-control windows, wide enough that large tensors do not wait for acknowledgements.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// A bound listener and what it serves.
pub(crate) struct Listener {
    pub(crate) socket: TcpListener,
    pub(crate) front: Front,
    pub(crate) tls: Option<Tls>,
    pub(crate) limits: ConnectionLimits,
    /// Whether handlers are told who is at the other end, as an extension: a [`SocketAddr`].
    pub(crate) peers: bool,
}

/// What every connection of a listener shares.
struct Shared {
    front: Front,
    tls: Option<Tls>,
    limits: ConnectionLimits,
    handshakes: Semaphore,
    in_work: InWork,
    peers: bool,
    http: auto::Builder<TokioExecutor>,
}

/// Who is at the other end of a connection.
struct Known {
    peer: Option<SocketAddr>,
    /// Of the certificate that was shown and checked.
    names: Option<ClientNames>,
}

impl Known {
    /// Tells it to a request's handlers.
    fn tell(&self, extensions: &mut Extensions) {
        if let Some(peer) = self.peer {
            extensions.insert(peer);
        }
        if let Some(names) = &self.names {
            extensions.insert(names.clone());
        }
    }
}

impl Listener {
    /// Serves until the end is announced, then lets requests in work finish until its deadline. Answers with
    /// how many had to be cut off.
    pub(crate) async fn serve(self, mut stop: Stop) -> usize {
        let Self { socket, front, tls, limits, peers } = self;
        let places = Arc::new(Semaphore::new(limits.max_connections.clamp(1, Semaphore::MAX_PERMITS)));
        let handshakes = Semaphore::new(limits.max_handshakes.clamp(1, Semaphore::MAX_PERMITS));
        let in_work = InWork::default();
        let shared =
            Shared { front, tls, limits, handshakes, in_work: in_work.clone(), peers, http: http(&limits) };
        let shared = Arc::new(shared);
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        let deadline = loop {
            let accepted = tokio::select! {
                deadline = stop.announced() => break deadline,
                Some(_) = connections.join_next() => continue,
                accepted = accept(&socket, &places) => accepted,
            };
            if let Some((stream, place)) = accepted {
                let (shared, watcher) = (shared.clone(), graceful.watcher());
                let stop = stop.clone();
                connections.spawn(async move {
                    let _place = place;
                    shared.connection(stream, watcher, stop).await;
                });
            }
        };
        drop(socket);
        let drained = timeout_at(deadline, graceful.shutdown()).await.is_ok();
        let cut_off = if drained { 0 } else { in_work.count() };
        connections.shutdown().await;
        cut_off
    }
}

/// The next connection once there is a place for it; `None` where accepting it failed.
async fn accept(socket: &TcpListener, places: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.ok()?;
    match socket.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) => {
            tracing::debug!(%error, "a connection was not accepted");
            if !is_the_clients(&error) {
                tokio::time::sleep(EXHAUSTED).await;
            }
            None
        }
    }
}

/// Errors of the one connection that was to be accepted; others are the process's own lack.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

impl Shared {
    async fn connection(
        &self,
        stream: TcpStream,
        watcher: hyper_util::server::graceful::Watcher,
        mut stop: Stop,
    ) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
        let peer = stream.peer_addr().ok().filter(|_| self.peers);
        let known = |names| Known { peer, names };
        let Some(tls) = &self.tls else { return self.http(stream, known(None), watcher).await };
        let handshake = timeout(self.limits.handshake_timeout, async {
            let _turn = self.handshakes.acquire().await;
            TlsAcceptor::from(tls.config()).accept(stream).await
        });
        let outcome = tokio::select! {
            _ = stop.announced() => return,
            outcome = handshake => outcome,
        };
        match outcome {
            Ok(Ok(stream)) => {
                let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                let names = shown.map(|der| ClientNames(certificate_names(der).into()));
                self.http(stream, known(names), watcher).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
    }

    async fn http<S>(&self, stream: S, known: Known, watcher: hyper_util::server::graceful::Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let io = TokioIo::new(FirstBytes::new(stream, self.limits.header_timeout));
        let (front, in_work) = (self.front.clone(), self.in_work.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            known.tell(request.extensions_mut());
            let (answer, place) = (front.answer(request), in_work.enter());
            async move { Ok::<_, Infallible>(answer.await.map(|body| Counted { body, _place: place })) }
        });
        let connection = self.http.serve_connection(io, service);
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

fn http(limits: &ConnectionLimits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.header_timeout);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING.0)
        .keep_alive_timeout(PING.1)
        .max_concurrent_streams(limits.max_streams)
        .max_pending_accept_reset_streams(limits.max_resets)
        .max_local_error_reset_streams(limits.max_resets)
        .max_header_list_size(MAX_HEAD)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    builder
}

#[cfg(test)]
mod tests;
