//! What a client may ask of the server at once. Every bound has a default that fits most models.

use std::time::Duration;

/// Most parameters of a request or of one of its tensors.
pub(crate) const MOST_PARAMETERS: usize = if cfg!(fuzzing) { 64 } else { 1024 };

/// Bounds on requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a REST body, before and after decompression.
    pub max_body_bytes: usize,
    /// Bytes of one gRPC message, after decompression.
    pub max_grpc_message_bytes: usize,
    /// How many times its bytes on the wire a body or gRPC message may unpack to, above 1 MiB.
    pub max_expansion: usize,
    /// Time in which a body must have come; streams of gRPC may take as long as they like.
    pub body_timeout: Duration,
    /// Inputs of one request, and outputs asked for.
    pub max_tensors: usize,
    /// Elements of one input.
    pub max_elements: usize,
    /// Inference requests in work at once on each listener; more are refused.
    pub max_concurrent_requests: usize,
    /// Requests of one gRPC stream in work at once; more wait in the stream.
    pub max_stream_in_flight: usize,
}

impl Limits {
    /// What [`max_tensors`](Self::max_tensors) can be at most: so many are counted while a body is read.
    pub const MOST_TENSORS: usize = if cfg!(fuzzing) { 64 } else { 4096 };

    /// Bytes of a body that changes settings, which takes many times its size while it is read.
    pub(crate) fn max_settings_bytes(&self) -> usize {
        self.max_body_bytes.min(1 << 20)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body_bytes: 64 << 20,
            max_grpc_message_bytes: 64 << 20,
            max_expansion: 200,
            body_timeout: Duration::from_secs(300),
            max_tensors: 256,
            max_elements: 64 << 20,
            max_concurrent_requests: 8192,
            max_stream_in_flight: 64,
        }
    }
}

/// Bounds on connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Open connections of one listener; more wait in the backlog.
    pub max_connections: usize,
    /// TLS handshakes at once; more wait their turn within the handshake timeout.
    pub max_handshakes: usize,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// How long a client may take to send a request's head.
    pub header_timeout: Duration,
    /// HTTP/2 streams of one connection at once.
    pub max_streams: u32,
    /// HTTP/2 streams of one connection that are opened and reset before they are looked at (rapid reset).
    pub max_resets: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_handshakes: 256,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(60),
            max_streams: 1024,
            max_resets: 64,
        }
    }
}
