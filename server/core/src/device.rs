//! What a session on a device of its own says beyond its answers.

use std::{collections::BTreeMap, time::Duration};

/// How a batch was run on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceRun {
    /// Whether a graph that was captured earlier was replayed; else it ran step by step.
    pub replayed: bool,
    /// What its parts took by the device's own clock, where this run was timed.
    pub phases: Option<Phases>,
}

/// The device's time of a batch's parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phases {
    /// Copying inputs to the device.
    pub copy_in: Duration,
    /// Computing.
    pub compute: Duration,
    /// Copying outputs back.
    pub copy_out: Duration,
}

/// How a model that was to be computed with less than full precision is computed.
#[derive(Clone, Debug, PartialEq)]
pub struct PrecisionReport {
    /// What the configuration asks for, such as `fp16`.
    pub asked: &'static str,
    /// What the model is served with.
    pub serves: &'static str,
    /// How far outputs with what was asked for are from those in full precision, as a part of the largest; or why
    /// that could not be measured.
    pub error: Result<f64, String>,
    /// The largest error that is served.
    pub limit: f64,
}

impl PrecisionReport {
    /// The same for clients, by name.
    pub fn properties(&self) -> BTreeMap<String, String> {
        let error = match &self.error {
            Ok(error) => format!("{error:.1e}"),
            Err(why) => format!("not measured: {why}"),
        };
        let pairs = [
            ("precision", self.serves.to_owned()),
            ("precision_asked", self.asked.to_owned()),
            ("precision_error", error),
            ("precision_limit", self.limit.to_string()),
        ];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
