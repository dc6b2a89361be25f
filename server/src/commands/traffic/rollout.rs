//! A rollout for people: where it stands, and each guard with what it knows.

use std::fmt;

use serde::Deserialize;

/// What a server answers about a rollout, as far as it is shown.
#[derive(Debug, Deserialize)]
pub(super) struct Rollout {
    state: String,
    step: usize,
    steps: usize,
    weight: f64,
    waits_for: Option<String>,
    reason: Option<String>,
    guards: Vec<Guard>,
}

#[derive(Debug, Deserialize)]
struct Guard {
    name: String,
    limit: f64,
    /// What it is at least, as sure as the rollout wants to be.
    bound: f64,
    estimate: Option<f64>,
    samples: u64,
}

impl Rollout {
    /// Where it stands, as words of a line.
    pub(super) fn words(&self) -> String {
        format!("rollout={} step={}/{} weight={}", self.state, self.step, self.steps, self.weight)
    }
}

/// Over several lines.
impl fmt::Display for Rollout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { state, step, steps, weight, .. } = self;
        write!(f, "rollout: {state}, step {step} of {steps}, the canary gets {weight} %")?;
        if let Some(waits_for) = &self.waits_for {
            write!(f, ", waits for {waits_for}")?;
        }
        if let Some(reason) = &self.reason {
            write!(f, "\nTAKEN BACK: {reason}")?;
        }
        if !self.guards.is_empty() {
            write!(
                f,
                "\n{:<16} {:>9} {:>12} {:>12} {:>12}",
                "guard", "limit", "estimate", "at least", "samples"
            )?;
        }
        self.guards.iter().try_for_each(|guard| write!(f, "\n{guard}"))
    }
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let estimate = self.estimate.map_or_else(|| "-".to_owned(), |estimate| estimate.to_string());
        let Self { name, limit, bound, samples, .. } = self;
        write!(f, "{name:<16} {limit:>9} {estimate:>12} {bound:>12} {samples:>12}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_becomes_lines() {
        let answer = json!({
            "state": "progressing", "step": 2, "steps": 3, "weight": 25.0, "since": "2026-01-02T03:04:05.000Z",
            "waits_for": "the step's time", "reason": null,
            "guards": [{ "name": "error_rate", "limit": 0.01, "bound": 0.0012, "estimate": null, "samples": 100,
                "broken": false }]
        });
        let rollout = Rollout::deserialize(&answer).unwrap();
        assert_eq!(rollout.words(), "rollout=progressing step=2/3 weight=25");
        let expected = "rollout: progressing, step 2 of 3, the canary gets 25 %, waits for the step's time\n\
            guard                limit     estimate     at least      samples\n\
            error_rate            0.01            -       0.0012          100";
        assert_eq!(rollout.to_string(), expected);
        let back = json!({ "state": "degraded", "step": 1, "steps": 3, "weight": 0.0, "waits_for": null,
            "reason": "aborted by a person", "guards": [] });
        let back = Rollout::deserialize(&back).unwrap().to_string();
        assert!(back.ends_with("gets 0 %\nTAKEN BACK: aborted by a person"), "{back}");
    }
}
