//! The file's `[rollout]`.

use std::{collections::BTreeMap, time::Duration};

use girandole_rollout::{Metric, Pause, Plan, Step};
use serde::Deserialize;

use super::{Reader, Text};
use crate::traffic::{Rollout, Shadow};

/// How often guards are looked at where nothing else is written.
const INTERVAL: Duration = Duration::from_secs(10);
/// Samples that each guard needs where nothing else is written.
const MIN_SAMPLES: u64 = 500;
/// The chance to take back a good canary where nothing else is written.
const ALPHA: f64 = 0.05;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    stable: Option<Text>,
    canary: Option<Text>,
    interval: Option<String>,
    min_samples: Option<u64>,
    alpha: Option<f64>,
    output: Option<String>,
    resolution: Option<f64>,
    steps: Vec<WrittenStep>,
    guards: BTreeMap<Metric, f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenStep {
    set_weight: f64,
    pause: Option<WrittenPause>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPause {
    duration: Option<String>,
    requests: Option<u64>,
}

impl Reader {
    pub(super) fn rollout(&mut self, written: Written, shadow: Option<&Shadow>) -> Option<Rollout> {
        let name =
            |text: Option<Text>, name: &str| text.map_or_else(|| name.to_owned(), |text| text.to_string());
        let stable = self.target("rollout.stable", &name(written.stable, "stable"));
        let canary = self.target("rollout.canary", &name(written.canary, "canary"));
        let interval = written.interval.map(|text| self.duration("rollout.interval", &text));
        let steps = written.steps.into_iter().enumerate().map(|(i, step)| self.step(i, &step)).collect();
        let plan = Plan {
            steps,
            guards: written.guards,
            min_samples: written.min_samples.unwrap_or(MIN_SAMPLES),
            interval: interval.unwrap_or(INTERVAL),
            alpha: written.alpha.unwrap_or(ALPHA),
        };
        self.mistakes.extend(plan.mistakes().iter().map(|mistake| format!("rollout.{mistake}")));
        let (output, resolution) = (written.output, written.resolution);
        if let Some(got) = resolution.filter(|resolution| !(resolution.is_finite() && *resolution > 0.0)) {
            self.mistakes.push(format!("rollout.resolution: expected above 0, got {got}"));
        }
        let rollout = Rollout { stable: stable?, canary: canary?, plan, output, resolution };
        self.check_arms(&rollout, shadow);
        Some(rollout)
    }

    fn check_arms(&mut self, rollout: &Rollout, shadow: Option<&Shadow>) {
        if rollout.stable == rollout.canary {
            self.mistakes.push(format!("rollout: stable and canary are both '{}'", rollout.stable));
        }
        let copied = shadow.is_some_and(|shadow| shadow.to == rollout.canary && shadow.percent > 0.0);
        if rollout.plan.guards.contains_key(&Metric::Disagreement) && !copied {
            let canary = &rollout.canary;
            let needs = format!("needs a [shadow] with to = \"{canary}\" and a percent above 0");
            self.mistakes.push(format!("rollout.guards.disagreement: {needs}"));
        }
    }

    fn step(&mut self, i: usize, written: &WrittenStep) -> Step {
        let pause = match &written.pause {
            None => Pause::None,
            Some(WrittenPause { duration: None, requests: None }) => Pause::Promoted,
            Some(WrittenPause { duration, requests }) => {
                let place = format!("rollout.steps[{i}].pause.duration");
                let duration = duration.as_ref().map(|text| self.duration(&place, text));
                Pause::Until { duration, requests: *requests }
            }
        };
        Step { set_weight: written.set_weight, pause }
    }

    /// A mistake where it is none; what is given then is never used.
    fn duration(&mut self, place: &str, text: &str) -> Duration {
        let read = humantime::parse_duration(text);
        let read = read.map_err(|_| format!("expected a time such as 30s, 10m or 1h 30m, got '{text}'"));
        self.noted(place, read).unwrap_or(INTERVAL)
    }
}

#[cfg(test)]
mod tests {
    use girandole_core::Result;

    use super::*;
    use crate::traffic::{Target, Traffic};

    const LABELS: &str = "[labels]\nstable = 1\ncanary = 2\n";
    const WHOLE: &str = r#"
[shadow]
to = "canary"
percent = 10
[rollout]
interval = "30s"
min_samples = 200
alpha = 0.01
output = "score"
resolution = 0.05
steps = [
    { set_weight = 5, pause = { duration = "10m", requests = 1000 } },
    { set_weight = 25, pause = {} },
    { set_weight = 50 },
]
guards = { error_rate = 0.01, latency_p50 = 1.2, latency_p99 = 1.5, disagreement = 0.02, ks = 0.1, psi = 0.2 }
"#;

    fn read(text: &str) -> Result<Option<Rollout>> {
        Traffic::parse(&format!("{LABELS}{text}"), "m").map(|traffic| traffic.rollout)
    }

    #[test]
    fn a_whole_rollout_is_read() {
        let rollout = read(WHOLE).unwrap().unwrap();
        assert_eq!(
            (&rollout.stable, &rollout.canary),
            (&Target::Label("stable".into()), &Target::Label("canary".into()))
        );
        let pauses: Vec<_> = rollout.plan.steps.iter().map(|step| step.pause).collect();
        let until = Pause::Until { duration: Some(Duration::from_secs(600)), requests: Some(1_000) };
        assert_eq!(pauses, [until, Pause::Promoted, Pause::None]);
        assert_eq!(rollout.plan.guards.keys().copied().collect::<Vec<_>>(), Metric::ALL);
        assert_eq!((rollout.plan.interval, rollout.plan.alpha), (Duration::from_secs(30), 0.01));
        assert_eq!((rollout.output.as_deref(), rollout.resolution), (Some("score"), Some(0.05)));
        let short =
            read("[rollout]\nsteps = [{ set_weight = 5 }]\nguards = { ks = 0.1 }").unwrap().unwrap().plan;
        assert_eq!((short.interval, short.min_samples, short.alpha), (INTERVAL, MIN_SAMPLES, ALPHA));
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        let with = |from: &str, to: &str| WHOLE.replace(from, to);
        for (text, told) in [
            (with("\"30s\"", "\"soon\""), "rollout.interval: expected a time such as"),
            (with("\"10m\"", "\"ten\""), "rollout.steps[0].pause.duration: expected a time"),
            (with("set_weight = 25", "set_weight = 2"), "rollout.steps: each set_weight must be above"),
            (with("ks = 0.1", "ks = 7"), "rollout.guards.ks: expected 0 up to"),
            (with("ks = 0.1", "kss = 0.1"), "unknown variant `kss`"),
            (with("percent = 10", "percent = 0"), "rollout.guards.disagreement: needs a [shadow]"),
            (with("output", "stable = \"old\"\noutput"), "rollout.stable: 'old' is no version"),
            (with("output", "stable = 9\ncanary = 9\noutput"), "rollout: stable and canary are both '9'"),
            (with("alpha = 0.01", "alpha = 2"), "rollout.alpha"),
            (with("0.05", "0"), "rollout.resolution: expected above 0, got 0"),
            (
                format!("[split]\nweights = {{ 3 = 1 }}\n{WHOLE}"),
                "split.weights: the rollout shares out the weights of 'stable' and 'canary', and both are 0",
            ),
        ] {
            let error = read(&text).unwrap_err();
            assert!(error.message().contains(told), "{told}: {error}");
        }
        let two = read(&with("\"30s\"", "\"soon\"").replace("alpha = 0.01", "alpha = 2")).unwrap_err();
        assert!(two.message().contains("interval") && two.message().contains("alpha"), "{two}");
    }
}
