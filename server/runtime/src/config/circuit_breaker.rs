//! Whether a model's versions have a circuit breaker: a parameter, since Triton has no field for it.

use std::collections::BTreeMap;

use super::mistakes::Mistakes;
use crate::settings::CircuitBreaker;

/// The key among the configuration's parameters.
const PARAMETER: &str = "circuit_breaker";

pub(super) fn resolve(parameters: &BTreeMap<String, String>, mistakes: &mut Mistakes) -> CircuitBreaker {
    match parameters.get(PARAMETER).map(String::as_str) {
        None | Some("on") => CircuitBreaker::On,
        Some("off") => CircuitBreaker::Off,
        Some(other) => {
            mistakes.add(format!("parameters.{PARAMETER}"), format!("must be on or off, got '{other}'"));
            CircuitBreaker::default()
        }
    }
}
