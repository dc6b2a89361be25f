//! Triton's trace settings: reading them, showing them, and which one counts.
//!
//! A setting of the model counts before the global one, and that before what the server was started with;
//! a cleared one counts no more. Counters stand beside the setting that they belong to.

use std::collections::BTreeMap;

use girandole_core::{Error, ErrorCode, Result};

use super::TraceOptions;

/// Settings as the protocols show them: each name and its values.
pub type TraceSettings = BTreeMap<String, Vec<String>>;

/// Settings to change, by name; `None` clears one.
pub type TraceChanges = BTreeMap<String, Option<Vec<String>>>;

const LEVEL: &str = "trace_level";
const RATE: &str = "trace_rate";
const COUNT: &str = "trace_count";
const LOG_FREQUENCY: &str = "log_frequency";
const FILE: &str = "trace_file";
const MODE: &str = "trace_mode";

const DEFAULT_RATE: u64 = 1000;

/// One level of settings; what is `None` is left to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Layer {
    timestamps: Option<bool>,
    rate: Option<u64>,
    /// Traces still to take.
    count: Option<Remaining>,
    log_frequency: Option<u64>,
    /// Requests seen under this layer's rate.
    seen: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remaining {
    Endless,
    Left(u64),
}

/// A change that was read and found good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Timestamps(Option<bool>),
    Rate(Option<u64>),
    Count(Option<Remaining>),
    LogFrequency(Option<u64>),
}

/// The layers that count for a model, the nearest first.
pub(super) struct Layers<'a>(pub(super) [Option<&'a mut Layer>; 3]);

impl Change {
    /// Whether requests may be traced that were not.
    pub(super) fn turns_on(&self) -> bool {
        *self == Self::Timestamps(Some(true))
    }
}

impl Layer {
    pub(super) fn at_start(options: &TraceOptions) -> Self {
        Self {
            timestamps: Some(options.timestamps),
            rate: Some(options.rate.unwrap_or(DEFAULT_RATE).max(1)),
            count: Some(options.count.map_or(Remaining::Endless, Remaining::Left)),
            log_frequency: Some(options.log_frequency.unwrap_or(0)),
            seen: 0,
        }
    }

    pub(super) fn on(&self) -> Option<bool> {
        self.timestamps
    }

    pub(super) fn apply(&mut self, change: Change) {
        match change {
            Change::Timestamps(on) => self.timestamps = on,
            Change::Rate(rate) => (self.rate, self.seen) = (rate, 0),
            Change::Count(count) => self.count = count,
            Change::LogFrequency(frequency) => self.log_frequency = frequency,
        }
    }
}

impl Layers<'_> {
    /// Counts a request; gives the log frequency where it is to be traced.
    pub(super) fn sample(mut self) -> Option<u64> {
        if !self.first(|layer| layer.timestamps).unwrap_or(false) || !self.is_its_turn() {
            return None;
        }
        let counting = self.0.iter_mut().flatten().find_map(|layer| layer.count.as_mut());
        match counting {
            Some(Remaining::Left(0)) => return None,
            Some(Remaining::Left(left)) => *left -= 1,
            Some(Remaining::Endless) | None => {}
        }
        Some(self.first(|layer| layer.log_frequency).unwrap_or(0))
    }

    fn is_its_turn(&mut self) -> bool {
        let Some(layer) = self.0.iter_mut().flatten().find(|layer| layer.rate.is_some()) else {
            return false;
        };
        layer.seen += 1;
        layer.rate.is_some_and(|rate| layer.seen.is_multiple_of(rate))
    }

    /// The settings in force.
    pub(super) fn show(&self, file: &str) -> TraceSettings {
        let level = if self.first(|layer| layer.timestamps) == Some(true) { "TIMESTAMPS" } else { "OFF" };
        let count = match self.first(|layer| layer.count) {
            Some(Remaining::Left(left)) => left.to_string(),
            Some(Remaining::Endless) | None => "-1".to_owned(),
        };
        let number = |value: Option<u64>| value.unwrap_or(0).to_string();
        let shown = [
            (LEVEL, level.to_owned()),
            (RATE, number(self.first(|layer| layer.rate))),
            (COUNT, count),
            (LOG_FREQUENCY, number(self.first(|layer| layer.log_frequency))),
            (FILE, file.to_owned()),
            (MODE, "triton".to_owned()),
        ];
        shown.into_iter().map(|(name, value)| (name.to_owned(), vec![value])).collect()
    }

    fn first<T>(&self, setting: impl Fn(&Layer) -> Option<T>) -> Option<T> {
        self.0.iter().flatten().find_map(|layer| setting(layer))
    }
}

/// Reads one change.
pub(super) fn parse(name: &str, values: Option<&[String]>) -> Result<Change> {
    match name {
        LEVEL => values.map(level).transpose().map(Change::Timestamps),
        RATE => values.map(|v| number(RATE, v, 1)).transpose().map(Change::Rate),
        COUNT => values.map(count).transpose().map(Change::Count),
        LOG_FREQUENCY => values.map(|v| number(LOG_FREQUENCY, v, 0)).transpose().map(Change::LogFrequency),
        FILE | MODE => {
            let message = format!("'{name}' can be set only when the server is started");
            Err(Error::new(ErrorCode::PermissionDenied, message))
        }
        _ => Err(Error::invalid(format!(
            "unknown trace setting '{}', expected one of {LEVEL}, {RATE}, {COUNT}, {LOG_FREQUENCY}",
            name.chars().take(64).collect::<String>()
        ))),
    }
}

fn level(values: &[String]) -> Result<bool> {
    let values: Vec<_> = values.iter().map(String::as_str).collect();
    match values.as_slice() {
        ["OFF"] => Ok(false),
        ["TIMESTAMPS"] => Ok(true),
        _ if values.contains(&"TENSORS") => Err(Error::new(
            ErrorCode::Unimplemented,
            format!("{LEVEL} TENSORS is not supported, use TIMESTAMPS or OFF"),
        )),
        _ => Err(unfit(LEVEL, "TIMESTAMPS or OFF", &values.join(","))),
    }
}

fn count(values: &[String]) -> Result<Remaining> {
    match values {
        [value] if value == "-1" => Ok(Remaining::Endless),
        _ => number(COUNT, values, 0).map(Remaining::Left),
    }
}

fn number(name: &str, values: &[String], least: u64) -> Result<u64> {
    let number = match values {
        [value] => value.parse().ok().filter(|&number| number >= least),
        _ => None,
    };
    let endless = if name == COUNT { ", or -1 for no end" } else { "" };
    let expected = format!("one whole number of at least {least}{endless}");
    number.ok_or_else(|| unfit(name, &expected, &values.join(",")))
}

fn unfit(name: &str, expected: &str, came: &str) -> Error {
    let came: String = came.chars().take(64).collect();
    Error::invalid(format!("'{name}' must be {expected}, got '{came}'"))
}
