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

const TIMESTAMPS: &str = "TIMESTAMPS";
const TENSORS: &str = "TENSORS";
const OFF: &str = "OFF";

const DEFAULT_RATE: u64 = 1000;

/// What is traced of a request. Nothing is off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceLevel {
    /// When what happened to it.
    pub timestamps: bool,
    /// Its inputs and outputs.
    pub tensors: bool,
}

/// One layer of settings; what is `None` is left to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Layer {
    level: Option<TraceLevel>,
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
    Level(Option<TraceLevel>),
    Rate(Option<u64>),
    Count(Option<Remaining>),
    LogFrequency(Option<u64>),
}

/// The layers that count for a model, the nearest first.
pub(super) struct Layers<'a>(pub(super) [Option<&'a mut Layer>; 3]);

impl Change {
    /// Whether requests may be traced that were not.
    pub(super) fn turns_on(&self) -> bool {
        matches!(self, Self::Level(Some(level)) if level.is_on())
    }
}

impl TraceLevel {
    /// Whether anything is traced.
    pub const fn is_on(self) -> bool {
        self.timestamps || self.tensors
    }

    /// Its parts in the protocol's words.
    fn names(self) -> Vec<String> {
        let parts = [(self.timestamps, TIMESTAMPS), (self.tensors, TENSORS), (!self.is_on(), OFF)];
        parts.into_iter().filter(|(on, _)| *on).map(|(_, name)| name.to_owned()).collect()
    }
}

impl Layer {
    pub(super) fn at_start(options: &TraceOptions) -> Self {
        Self {
            level: Some(options.level),
            rate: Some(options.rate.unwrap_or(DEFAULT_RATE).max(1)),
            count: Some(options.count.map_or(Remaining::Endless, Remaining::Left)),
            log_frequency: Some(options.log_frequency.unwrap_or(0)),
            seen: 0,
        }
    }

    pub(super) fn on(&self) -> Option<bool> {
        self.level.map(TraceLevel::is_on)
    }

    pub(super) fn apply(&mut self, change: Change) {
        match change {
            Change::Level(level) => self.level = level,
            Change::Rate(rate) => (self.rate, self.seen) = (rate, 0),
            Change::Count(count) => self.count = count,
            Change::LogFrequency(frequency) => self.log_frequency = frequency,
        }
    }
}

impl Layers<'_> {
    /// Counts a request; where it is to be traced, says what of it, and the log frequency.
    pub(super) fn sample(mut self) -> Option<(TraceLevel, u64)> {
        let level = self.first(|layer| layer.level).filter(|level| level.is_on())?;
        if !self.is_its_turn() {
            return None;
        }
        let counting = self.0.iter_mut().flatten().find_map(|layer| layer.count.as_mut());
        match counting {
            Some(Remaining::Left(0)) => return None,
            Some(Remaining::Left(left)) => *left -= 1,
            Some(Remaining::Endless) | None => {}
        }
        Some((level, self.first(|layer| layer.log_frequency).unwrap_or(0)))
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
        let level = self.first(|layer| layer.level).unwrap_or_default();
        let count = match self.first(|layer| layer.count) {
            Some(Remaining::Left(left)) => left.to_string(),
            Some(Remaining::Endless) | None => "-1".to_owned(),
        };
        let number = |value: Option<u64>| value.unwrap_or(0).to_string();
        let shown = [
            (LEVEL, level.names()),
            (RATE, vec![number(self.first(|layer| layer.rate))]),
            (COUNT, vec![count]),
            (LOG_FREQUENCY, vec![number(self.first(|layer| layer.log_frequency))]),
            (FILE, vec![file.to_owned()]),
            (MODE, vec!["triton".to_owned()]),
        ];
        shown.into_iter().map(|(name, values)| (name.to_owned(), values)).collect()
    }

    fn first<T>(&self, setting: impl Fn(&Layer) -> Option<T>) -> Option<T> {
        self.0.iter().flatten().find_map(|layer| setting(layer))
    }
}

/// Reads one change.
pub(super) fn parse(name: &str, values: Option<&[String]>) -> Result<Change> {
    match name {
        LEVEL => values.map(level).transpose().map(Change::Level),
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

fn level(values: &[String]) -> Result<TraceLevel> {
    let mut level = TraceLevel::default();
    for value in values {
        match value.as_str() {
            TIMESTAMPS => level.timestamps = true,
            TENSORS => level.tensors = true,
            OFF if values.len() == 1 => {}
            _ => return Err(unfit(LEVEL, "OFF, or TIMESTAMPS, TENSORS or both", &values.join(","))),
        }
    }
    Ok(level)
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
