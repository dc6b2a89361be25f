//! What clients may ask of the server: the options that say so, over the defaults of the protocols and the runtime.

use std::time::Duration;

use girandole_api::{ConnectionLimits, Limits};
use girandole_runtime::service::DEFAULT_IN_FLIGHT_BYTES;

use super::ServeOptions;

/// Longest timeout: a day is as good as for ever, and a clock can count it.
const MAX_SECS: u64 = 24 * 3600;

/// Every bound on what clients ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServeLimits {
    pub(crate) requests: Limits,
    pub(crate) connections: ConnectionLimits,
    /// Bytes of all requests together.
    pub(crate) in_flight_bytes: usize,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            requests: Limits::default(),
            connections: ConnectionLimits::default(),
            in_flight_bytes: DEFAULT_IN_FLIGHT_BYTES,
        }
    }
}

/// The limits that these options say.
///
/// # Errors
/// Every one that would let nothing through, or more than can be held to.
pub(super) fn of(options: &ServeOptions) -> Result<ServeLimits, Vec<String>> {
    let ServeLimits { requests, connections, in_flight_bytes } = ServeLimits::default();
    let mut read = Reader(Vec::new());
    let max_body_bytes =
        read.count("--max-request-bytes", options.max_request_bytes, requests.max_body_bytes);
    let limits = ServeLimits {
        requests: Limits {
            max_body_bytes,
            max_grpc_message_bytes: max_body_bytes,
            max_expansion: read.count("--max-expansion", options.max_expansion, requests.max_expansion),
            body_timeout: read.secs("--body-timeout-secs", options.body_timeout_secs, requests.body_timeout),
            max_tensors: read.tensors(options.max_request_tensors, requests.max_tensors),
            max_elements: read.count(
                "--max-tensor-elements",
                options.max_tensor_elements,
                requests.max_elements,
            ),
            max_concurrent_requests: read.count(
                "--max-requests",
                options.max_requests,
                requests.max_concurrent_requests,
            ),
            max_stream_in_flight: read.count(
                "--max-stream-requests",
                options.max_stream_requests,
                requests.max_stream_in_flight,
            ),
        },
        connections: ConnectionLimits {
            max_connections: read.count(
                "--max-connections",
                options.max_connections,
                connections.max_connections,
            ),
            max_handshakes: read.count(
                "--max-handshakes",
                options.max_handshakes,
                connections.max_handshakes,
            ),
            handshake_timeout: read.secs(
                "--handshake-timeout-secs",
                options.handshake_timeout_secs,
                connections.handshake_timeout,
            ),
            header_timeout: read.secs(
                "--header-timeout-secs",
                options.header_timeout_secs,
                connections.header_timeout,
            ),
            max_streams: read.count(
                "--max-connection-streams",
                options.max_connection_streams,
                connections.max_streams,
            ),
            max_resets: read.count(
                "--max-connection-resets",
                options.max_connection_resets,
                connections.max_resets,
            ),
        },
        in_flight_bytes: read.count("--max-inflight-bytes", options.max_inflight_bytes, in_flight_bytes),
    };
    if read.0.is_empty() { Ok(limits) } else { Err(read.0) }
}

/// What is wrong so far.
struct Reader(Vec<String>);

impl Reader {
    /// What is given, at least 1, or else the default.
    fn count<T: Copy + Default + PartialEq>(&mut self, flag: &str, given: Option<T>, default: T) -> T {
        if given == Some(T::default()) {
            self.0.push(format!("{flag} must be at least 1"));
        }
        given.unwrap_or(default)
    }

    fn secs(&mut self, flag: &str, given: Option<u64>, default: Duration) -> Duration {
        Duration::from_secs(self.count(flag, given, default.as_secs()).min(MAX_SECS))
    }

    fn tensors(&mut self, given: Option<usize>, default: usize) -> usize {
        let flag = "--max-request-tensors";
        let count = self.count(flag, given, default);
        if count > Limits::MOST_TENSORS {
            self.0.push(format!("{flag} can be {} at most, got {count}", Limits::MOST_TENSORS));
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_stays_as_it_is() {
        assert_eq!(of(&ServeOptions::default()), Ok(ServeLimits::default()));
        let options = ServeOptions { body_timeout_secs: Some(u64::MAX), ..ServeOptions::default() };
        assert_eq!(of(&options).unwrap().requests.body_timeout, Duration::from_secs(MAX_SECS));
    }

    #[test]
    fn every_option_reaches_its_limit() {
        let text = "max_request_bytes = 1\nmax_expansion = 2\nmax_inflight_bytes = 3\nmax_request_tensors = 4
            max_tensor_elements = 5\nmax_requests = 6\nmax_stream_requests = 7\nmax_connections = 8
            max_connection_streams = 9\nmax_connection_resets = 10\nmax_handshakes = 11
            handshake_timeout_secs = 12\nheader_timeout_secs = 13\nbody_timeout_secs = 14";
        let options: ServeOptions = toml::from_str(text).unwrap();
        let requests = Limits {
            max_body_bytes: 1,
            max_grpc_message_bytes: 1,
            max_expansion: 2,
            max_tensors: 4,
            max_elements: 5,
            max_concurrent_requests: 6,
            max_stream_in_flight: 7,
            body_timeout: Duration::from_secs(14),
        };
        let connections = ConnectionLimits {
            max_connections: 8,
            max_streams: 9,
            max_resets: 10,
            max_handshakes: 11,
            handshake_timeout: Duration::from_secs(12),
            header_timeout: Duration::from_secs(13),
        };
        assert_eq!(of(&options), Ok(ServeLimits { requests, connections, in_flight_bytes: 3 }));
    }

    #[test]
    fn a_limit_that_lets_nothing_through_is_a_mistake() {
        let options = ServeOptions {
            max_requests: Some(0),
            header_timeout_secs: Some(0),
            max_request_tensors: Some(5000),
            ..ServeOptions::default()
        };
        let mistakes = of(&options).unwrap_err().join("\n");
        for part in [
            "--max-requests must be at least 1",
            "--header-timeout-secs must be at least 1",
            "--max-request-tensors can be 4096 at most, got 5000",
        ] {
            assert!(mistakes.contains(part), "{mistakes}");
        }
    }
}
