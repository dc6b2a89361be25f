//! `traffic.toml`, from text to [`Traffic`]: every mistake is told at once, and one makes the whole file refused.

mod rollout;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    fs::File,
    io::Read,
    path::Path,
    sync::Arc,
};

use girandole_core::{Error, Result};
use serde::Deserialize;

use super::{Match, Rollout, Rule, Shadow, Source, Split, Target, Traffic, rollout::weights, target};
use crate::repository::sha256;

/// The file's name in a model's directory.
pub const TRAFFIC_FILE: &str = "traffic.toml";
/// Longest file.
const MAX_BYTES: u64 = 1 << 20;
/// How far a shadow's outputs may be off where nothing else is written.
const TOLERANCE: f64 = 1e-3;
/// Largest weight; below it sums and shares of weights are exact enough.
const MAX_WEIGHT: f64 = 1e9;

/// The file as a scan found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundTraffic {
    /// Its text, or why there is none.
    pub(crate) text: std::result::Result<Arc<str>, String>,
    /// Where it was found.
    pub(crate) origin: Origin,
    /// Somebody may still be writing it.
    pub(crate) settling: bool,
}

/// Where a traffic file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In the model's directory.
    Repository,
    /// In the server's state directory, in the place of the repository's.
    State,
}

/// Reads a model's traffic file; `None` where it has none.
pub(crate) fn read(dir: &Path) -> Option<FoundTraffic> {
    let text = match File::open(dir.join(TRAFFIC_FILE)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => Err(format!("it cannot be read: {}", error.kind())),
        Ok(file) => text_of(file),
    };
    Some(FoundTraffic { text, origin: Origin::Repository, settling: false })
}

fn text_of(file: File) -> std::result::Result<Arc<str>, String> {
    let mut text = String::new();
    let read = file.take(MAX_BYTES + 1).read_to_string(&mut text);
    read.map_err(|error| format!("it cannot be read: {}", error.kind()))?;
    match text.len() as u64 > MAX_BYTES {
        true => Err(format!("it has more than {MAX_BYTES} bytes")),
        false => Ok(text.into()),
    }
}

impl FoundTraffic {
    /// A complete file with this text.
    pub(crate) fn new(text: &str, origin: Origin) -> Self {
        Self { text: Ok(text.into()), origin, settling: false }
    }

    /// SHA-256 of its text, where it can be read.
    pub(crate) fn digest(&self) -> Option<Arc<str>> {
        self.text.as_ref().ok().map(|text| sha256(text.as_bytes()).into())
    }

    /// What the file says.
    ///
    /// # Errors
    /// `InvalidArgument` with everything that is wrong with it.
    pub(crate) fn parse(&self, model: &str) -> Result<Traffic> {
        let text = self.text.as_deref().map_err(|problem| refused(problem))?;
        Traffic::parse(text, model)
    }
}

fn refused(problem: &str) -> Error {
    Error::invalid(format!("{TRAFFIC_FILE}: {problem}"))
}

/// The file's keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    labels: BTreeMap<String, u64>,
    #[serde(default)]
    rules: Vec<WrittenRule>,
    split: Option<WrittenSplit>,
    shadow: Option<WrittenShadow>,
    rollout: Option<rollout::Written>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenShadow {
    to: Text,
    percent: f64,
    #[serde(default = "tolerance")]
    tolerance: f64,
}

const fn tolerance() -> f64 {
    TOLERANCE
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRule {
    name: String,
    to: Text,
    header: Option<String>,
    parameter: Option<String>,
    equals: Option<String>,
    prefix: Option<String>,
    #[serde(rename = "in")]
    among: Option<BTreeSet<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSplit {
    weights: BTreeMap<String, f64>,
    salt: Option<String>,
    #[serde(default)]
    sticky: Vec<WrittenSource>,
}

/// Exactly one of the two.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSource {
    header: Option<String>,
    parameter: Option<String>,
}

/// A target: a label, or a version with or without quotes.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Text {
    Number(u64),
    Label(String),
}

impl Traffic {
    /// Reads a traffic file of a model.
    ///
    /// # Errors
    /// `InvalidArgument` with every mistake, each with its place.
    pub fn parse(text: &str, model: &str) -> Result<Self> {
        let written: Written = toml::from_str(text).map_err(|error| refused(error.to_string().trim_end()))?;
        let mut reader = Reader { labels: written.labels, mistakes: Vec::new() };
        reader.check_labels();
        let rules = written.rules.into_iter().filter_map(|rule| reader.rule(rule)).collect();
        let shadow = written.shadow.and_then(|shadow| reader.shadow(&shadow));
        let rollout = written.rollout.and_then(|rollout| reader.rollout(rollout, shadow.as_ref()));
        let split = reader.split(written.split, rollout.as_ref(), model);
        match reader.mistakes.is_empty() {
            true => Ok(Self { labels: reader.labels, rules, split, shadow, rollout }),
            false => Err(refused(&reader.mistakes.join("; "))),
        }
    }
}

/// What is known while a file is read.
struct Reader {
    labels: BTreeMap<String, u64>,
    mistakes: Vec<String>,
}

impl Reader {
    fn noted<T>(&mut self, place: &str, outcome: std::result::Result<T, String>) -> Option<T> {
        outcome.map_err(|what| self.mistakes.push(format!("{place}: {what}"))).ok()
    }

    fn check_labels(&mut self) {
        for (name, version) in self.labels.clone() {
            self.noted(&format!("labels.{name}"), target::label(&name).map(drop));
            if version == 0 {
                self.mistakes.push(format!("labels.{name}: versions begin at 1, got 0"));
            }
        }
    }

    /// A version, or one of the labels.
    fn target(&mut self, place: &str, text: &str) -> Option<Target> {
        let target = self.noted(place, Target::parse(text))?;
        match &target {
            Target::Label(label) if !self.labels.contains_key(&**label) => {
                let there: Vec<_> = self.labels.keys().map(String::as_str).collect();
                let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
                self.mistakes
                    .push(format!("{place}: '{label}' is no version and none of the labels ({there})"));
                None
            }
            _ => Some(target),
        }
    }

    fn rule(&mut self, written: WrittenRule) -> Option<Rule> {
        let place = format!("rules.{}", written.name);
        let name = self.noted(&place, target::label(&written.name).map(Arc::from));
        let to = self.target(&format!("{place}.to"), &written.to.to_string());
        let source = self.noted(&place, source(written.header, written.parameter));
        let matches = self.noted(&place, matches(written.equals, written.prefix, written.among));
        Some(Rule { name: name?, source: source?, matches: matches?, to: to? })
    }

    /// What is written, and the arms of a rollout where they are not.
    fn split(
        &mut self,
        written: Option<WrittenSplit>,
        rollout: Option<&Rollout>,
        model: &str,
    ) -> Option<Split> {
        let is_written = written.is_some();
        let written = written.or_else(|| rollout.map(|_| WrittenSplit::default()))?;
        let mut weights = self.weights(written.weights, is_written);
        if let Some(rollout) = rollout {
            weights = self.noted("split.weights", self::weights(weights, rollout, is_written))?;
        }
        let sticky = written.sticky.into_iter().enumerate().filter_map(|(i, written)| {
            self.noted(&format!("split.sticky[{i}]"), source(written.header, written.parameter))
        });
        let sticky = sticky.collect();
        Some(Split::new(weights, sticky, written.salt.as_deref().unwrap_or(model)))
    }

    fn weights(&mut self, written: BTreeMap<String, f64>, is_written: bool) -> Vec<(Target, f64)> {
        let mut weights = Vec::new();
        for (name, weight) in written {
            let place = format!("split.weights.{name}");
            if !(0.0..=MAX_WEIGHT).contains(&weight) {
                self.mistakes.push(format!("{place}: a weight is 0 to {MAX_WEIGHT:e}, got {weight}"));
            }
            weights.extend(self.target(&place, &name).map(|target| (target, weight)));
        }
        if is_written && !weights.iter().any(|(_, weight)| *weight > 0.0) && self.mistakes.is_empty() {
            self.mistakes.push("split.weights: at least one must be above 0".to_owned());
        }
        weights
    }

    fn shadow(&mut self, written: &WrittenShadow) -> Option<Shadow> {
        let (percent, tolerance) = (written.percent, written.tolerance);
        if !(0.0..=100.0).contains(&percent) {
            self.mistakes.push(format!("shadow.percent: must be 0 to 100, got {percent}"));
        }
        if !(0.0..=1.0).contains(&tolerance) {
            self.mistakes.push(format!("shadow.tolerance: must be 0 to 1, got {tolerance}"));
        }
        let to = self.target("shadow.to", &written.to.to_string())?;
        Some(Shadow { to, percent, tolerance })
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Label(label) => f.write_str(label),
        }
    }
}

fn source(header: Option<String>, parameter: Option<String>) -> std::result::Result<Source, String> {
    match (header, parameter) {
        (Some(name), None) if !name.is_empty() => Ok(Source::header(&name)),
        (None, Some(name)) if !name.is_empty() => Ok(Source::Parameter(name)),
        _ => Err("needs one of 'header' and 'parameter', with a name".to_owned()),
    }
}

fn matches(
    equals: Option<String>,
    prefix: Option<String>,
    among: Option<BTreeSet<String>>,
) -> std::result::Result<Match, String> {
    match (equals, prefix, among) {
        (Some(text), None, None) => Ok(Match::Equals(text)),
        (None, Some(text), None) => Ok(Match::Prefix(text)),
        (None, None, Some(texts)) => Ok(Match::In(texts)),
        _ => Err("needs exactly one of 'equals', 'prefix' and 'in'".to_owned()),
    }
}

#[cfg(test)]
mod tests;
