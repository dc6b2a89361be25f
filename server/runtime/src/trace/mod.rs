//! Triton's trace extension: timestamps and tensors of sampled requests in a JSON file.
//!
//! Invariants: without a trace that is on, a request pays one relaxed load; a slow disk costs traces, never
//! requests. Where the file lies is the operator's to say when the server starts, no client can change it.

mod file;
mod record;
mod settings;
mod tensors;
#[cfg(test)]
#[cfg(not(feature = "races"))]
mod tests;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use girandole_core::{Error, Result};

pub(crate) use self::record::Trace;
pub use self::settings::{TraceChanges, TraceLevel, TraceSettings};
use self::{
    file::Writer,
    settings::{Change, Layer, Layers, parse},
};
use crate::sync::{Mutex, lock};

/// How the server traces from its start on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceOptions {
    /// Where traces go; `None` allows none.
    pub file: Option<PathBuf>,
    /// What is traced before anybody asks for it.
    pub level: TraceLevel,
    /// One request of so many is traced; `None` for 1000.
    pub rate: Option<u64>,
    /// How many traces to take in all; `None` for no end.
    pub count: Option<u64>,
    /// Traces in one file, then the next with a number behind its name; `None` for one file.
    pub log_frequency: Option<u64>,
}

/// Decides which requests are traced, and has the traces written.
#[derive(Debug)]
pub struct Tracer {
    /// Some trace may be on.
    active: AtomicBool,
    state: Mutex<State>,
    next_id: AtomicU64,
    writer: Option<Writer>,
    /// The file's name without its folder, for clients to see.
    shown_file: String,
}

#[derive(Debug)]
struct State {
    start: Layer,
    global: Layer,
    models: HashMap<String, Layer>,
}

/// A request that is to be traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sampled {
    id: u64,
    level: TraceLevel,
    log_frequency: u64,
}

impl Default for Tracer {
    /// No file, no traces.
    fn default() -> Self {
        Self::with(&TraceOptions::default(), None)
    }
}

impl Tracer {
    /// Traces as these options say. The file is made when the first trace is written.
    ///
    /// # Errors
    /// `Unavailable` where the writing thread cannot be started, `InvalidArgument` where traces are asked for
    /// and there is no file.
    pub fn new(options: &TraceOptions) -> Result<Self> {
        if options.level.is_on() && options.file.is_none() {
            return Err(no_file());
        }
        let writer = options.file.clone().map(Writer::start).transpose()?;
        Ok(Self::with(options, writer))
    }

    fn with(options: &TraceOptions, writer: Option<Writer>) -> Self {
        let name = options.file.as_deref().and_then(|file| file.file_name());
        Self {
            active: AtomicBool::new(options.level.is_on()),
            shown_file: name.unwrap_or_default().to_string_lossy().into_owned(),
            state: Mutex::new(State {
                start: Layer::at_start(options),
                global: Layer::default(),
                models: HashMap::new(),
            }),
            next_id: AtomicU64::new(1),
            writer,
        }
    }

    /// Whether this request is to be traced.
    pub(crate) fn sample(&self, model: &str) -> Option<Sampled> {
        if !self.active.load(Ordering::Relaxed) {
            return None;
        }
        let (level, log_frequency) = lock(&self.state).layers(model).sample()?;
        Some(Sampled { id: self.next_id.fetch_add(1, Ordering::Relaxed), level, log_frequency })
    }

    /// Has a trace written, or drops it where the disk cannot keep up.
    pub(crate) fn write(&self, trace: Trace) {
        if let Some(writer) = &self.writer {
            writer.write(trace);
        }
    }

    /// The settings in force: of a model, or of all that have none of their own.
    pub(crate) fn settings(&self, model: Option<&str>) -> TraceSettings {
        lock(&self.state).layers(model.unwrap_or_default()).show(&self.shown_file)
    }

    /// Changes settings: all of them or none.
    ///
    /// # Errors
    /// `InvalidArgument` for an unknown setting or value, `PermissionDenied` for the file.
    pub(crate) fn update(&self, model: Option<&str>, changes: &TraceChanges) -> Result<TraceSettings> {
        let changes = changes.iter().map(|(name, values)| parse(name, values.as_deref()));
        let changes: Vec<Change> = changes.collect::<Result<_>>()?;
        if self.writer.is_none() && changes.iter().any(Change::turns_on) {
            return Err(no_file());
        }
        let mut state = lock(&self.state);
        let layer = match model {
            None => &mut state.global,
            Some(model) => state.models.entry(model.to_owned()).or_default(),
        };
        changes.into_iter().for_each(|change| layer.apply(change));
        self.active.store(state.is_active(), Ordering::Relaxed);
        drop(state);
        Ok(self.settings(model))
    }
}

impl State {
    fn layers(&mut self, model: &str) -> Layers<'_> {
        Layers([self.models.get_mut(model), Some(&mut self.global), Some(&mut self.start)])
    }

    fn is_active(&self) -> bool {
        self.global.on().or(self.start.on()).unwrap_or(false)
            || self.models.values().any(|layer| layer.on() == Some(true))
    }
}

fn no_file() -> Error {
    Error::invalid("requests cannot be traced: the server was started without a trace file")
}
