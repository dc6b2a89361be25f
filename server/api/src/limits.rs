//! What a client may ask of the server at once. Every bound has a default that fits most models.

use std::time::Duration;

/// Bounds on requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a REST body, before and after decompression.
    pub max_body_bytes: usize,
    /// Bytes of one gRPC message, after decompression.
    pub max_grpc_message_bytes: usize,
    /// Inputs of one request, and outputs asked for.
    pub max_tensors: usize,
    /// Inference requests in work at once on each listener; more are refused.
    pub max_concurrent_requests: usize,
    /// Requests of one gRPC stream in work at once; more wait in the stream.
    pub max_stream_in_flight: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body_bytes: 64 << 20,
            max_grpc_message_bytes: 64 << 20,
            max_tensors: 256,
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
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_handshakes: 256,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(60),
            max_streams: 1024,
        }
    }
}
