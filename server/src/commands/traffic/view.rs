//! A model's traffic for people: a table of the split's arms under what else there is to say.

use std::{collections::BTreeMap, fmt::Write as _, time::SystemTime};

use serde::Deserialize;
use serde_json::Value;

use super::rollout::Rollout;
use crate::commands::Failure;

/// Digits of a digest that are shown.
const SHORT: usize = 8;

/// What a server answers, as far as it is shown.
#[derive(Debug, Deserialize)]
pub(super) struct Traffic {
    model: String,
    origin: Option<String>,
    digest: Option<String>,
    refused: Option<String>,
    labels: BTreeMap<String, Label>,
    arms: Vec<Arm>,
    rollout: Option<Rollout>,
    #[serde(default)]
    circuit_breakers: BTreeMap<u64, Breaker>,
}

#[derive(Debug, Deserialize)]
struct Label {
    version: Option<u64>,
    wanted: u64,
    pending: bool,
}

#[derive(Debug, Deserialize)]
struct Arm {
    name: String,
    weight: f64,
    share: f64,
    version: Option<u64>,
    requests: u64,
    errors: u64,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Breaker {
    since: Option<String>,
    reason: Option<String>,
    next_trial: Option<String>,
}

impl Traffic {
    /// Reads a server's answer.
    ///
    /// # Errors
    /// Where it is none, such as another server's.
    pub(super) fn read(answer: &Value) -> Result<Self, Failure> {
        let read = Self::deserialize(answer);
        read.map_err(|error| Failure::new(format!("the server's answer is not understood: {error}")))
    }

    /// Everything, over several lines.
    pub(super) fn table(&self) -> String {
        let mut text = match (&self.digest, &self.origin) {
            (Some(digest), Some(origin)) => {
                format!(
                    "{}: traffic.toml {} of the {origin}",
                    self.model,
                    digest.get(..SHORT).unwrap_or(digest)
                )
            }
            _ => format!("{}: no traffic.toml, the newest version gets everything", self.model),
        };
        // Writing to a string cannot fail.
        if let Some(refused) = &self.refused {
            let _ = write!(text, "\nREFUSED, the one before applies: {refused}");
        }
        for (name, label) in &self.labels {
            let _ = write!(text, "\nlabel {name}: {label}");
        }
        for (version, breaker) in &self.circuit_breakers {
            if let Some(since) = &breaker.since {
                let _ = write!(text, "\nOUT OF THE TRAFFIC since {since}: version {version}{breaker}");
            }
        }
        if let Some(rollout) = &self.rollout {
            let _ = write!(text, "\n{rollout}");
        }
        if !self.arms.is_empty() {
            let _ = write!(
                text,
                "\n{:<16} {:>9} {:>8} {:>8} {:>12} {:>8} {:>10} {:>10}",
                "arm", "weight", "share %", "version", "requests", "errors", "p50 ms", "p99 ms"
            );
        }
        for arm in &self.arms {
            let _ = write!(
                text,
                "\n{:<16} {:>9} {:>8.2} {:>8} {:>12} {:>8} {:>10} {:>10}",
                arm.name,
                arm.weight,
                arm.share * 100.0,
                number(arm.version),
                arm.requests,
                arm.errors,
                ms(arm.p50_ms),
                ms(arm.p99_ms)
            );
        }
        text
    }

    /// A line for each arm and one for the rollout, with the time.
    pub(super) fn lines(&self) -> String {
        let now = humantime::format_rfc3339_seconds(SystemTime::now());
        let line = |arm: &Arm| {
            format!(
                "{now} {} {} weight={} share={:.4} version={} requests={} errors={} p50_ms={} p99_ms={}",
                self.model,
                arm.name,
                arm.weight,
                arm.share,
                number(arm.version),
                arm.requests,
                arm.errors,
                ms(arm.p50_ms),
                ms(arm.p99_ms)
            )
        };
        if self.arms.is_empty() {
            return format!("{now} {} has no split", self.model);
        }
        let rollout = self.rollout.iter().map(|rollout| format!("{now} {} {}", self.model, rollout.words()));
        self.arms.iter().map(line).chain(rollout).collect::<Vec<_>>().join("\n")
    }
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "version {}", number(self.version))?;
        if self.pending { write!(f, ", waits for {}", self.wanted) } else { Ok(()) }
    }
}

impl std::fmt::Display for Breaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.next_trial.iter().try_for_each(|next| write!(f, ", tried again at {next}"))?;
        self.reason.iter().try_for_each(|reason| write!(f, ", {reason}"))
    }
}

fn number(version: Option<u64>) -> String {
    version.map_or_else(|| "-".to_owned(), |version| version.to_string())
}

fn ms(time: Option<f64>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| format!("{time:.3}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_becomes_a_table() {
        let arm = |name, weight: u64, p50| {
            json!({ "name": name, "weight": weight, "share": weight as f64 / 100.0, "version": 2, "requests": 1234,
                "errors": 5, "p50_ms": p50, "p99_ms": p50 })
        };
        let answer = json!({
            "model": "forecast", "origin": "repository", "digest": "0123456789abcdef", "refused": null,
            "labels": { "canary": { "version": 2, "wanted": 3, "pending": true } },
            "arms": [arm("canary", 5, json!(1.5)), arm("stable", 95, Value::Null)], "rules": [], "split": null,
            "circuit_breakers": {
                "1": { "state": "closed", "since": null, "reason": null, "next_trial": null },
                "2": { "state": "open", "since": "10:00", "reason": "5 failed", "next_trial": "10:05" },
            }
        });
        let table = Traffic::read(&answer).unwrap().table();
        let expected = "forecast: traffic.toml 01234567 of the repository\n\
            label canary: version 2, waits for 3\n\
            OUT OF THE TRAFFIC since 10:00: version 2, tried again at 10:05, 5 failed\n\
            arm                 weight  share %  version     requests   errors     p50 ms     p99 ms\n\
            canary                   5     5.00        2         1234        5      1.500      1.500\n\
            stable                  95    95.00        2         1234        5          -          -";
        assert_eq!(table, expected);
        assert!(Traffic::read(&json!({})).is_err());
    }
}
