//! A version's circuit breaker as clients see it.

use std::time::{Duration, UNIX_EPOCH};

use girandole_runtime::service::BreakerStatus;
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Breaker {
    state: &'static str,
    since: Option<String>,
    reason: Option<String>,
    next_trial: Option<String>,
}

impl From<BreakerStatus> for Breaker {
    fn from(status: BreakerStatus) -> Self {
        Self {
            state: status.state.as_str(),
            since: status.since.map(time),
            reason: status.reason,
            next_trial: status.next_trial.map(time),
        }
    }
}

fn time(since_epoch: Duration) -> String {
    humantime::format_rfc3339_millis(UNIX_EPOCH + since_epoch).to_string()
}
