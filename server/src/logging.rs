//! Logs on standard error, as text for people or as JSON for machines. What is logged can change while the
//! server runs, as Triton's logging extension asks.

use std::{
    io::IsTerminal,
    sync::{Arc, Mutex, PoisonError},
};

use clap::ValueEnum;
use girandole_api::{LogControl, LogSettings};
use girandole_core::Error;
use serde::Deserialize;
use tracing::Level;
use tracing_subscriber::{
    EnvFilter, Layer, Registry, filter::dynamic_filter_fn, fmt, layer::SubscriberExt, reload,
    util::SubscriberInitExt,
};

/// How log lines look. Both give the time in ISO 8601.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// A running log whose levels can be switched.
#[derive(Clone)]
pub(crate) struct LogSwitch(Arc<Switch>);

struct Switch {
    /// What the operator asked for; a client can ask for more and go back to it.
    configured: String,
    filter: reload::Handle<EnvFilter, Registry>,
    settings: Arc<Mutex<LogSettings>>,
}

/// Starts the log at `level`, a filter such as `info` or `girandole=debug`.
///
/// # Errors
/// A level that is none, or a log that has been started before.
pub(crate) fn start(format: LogFormat, level: &str) -> Result<LogSwitch, String> {
    let (env_filter, handle) = reload::Layer::new(filter(level)?);
    let settings =
        Arc::new(Mutex::new(LogSettings { verbose_level: verbosity(level), ..LogSettings::default() }));
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let switched = settings.clone();
    let lines =
        lines.with_filter(dynamic_filter_fn(move |line, _| allows(&current(&switched), *line.level())));
    tracing_subscriber::registry()
        .with(env_filter)
        .with(lines)
        .try_init()
        .map_err(|error| error.to_string())?;
    Ok(LogSwitch(Arc::new(Switch { configured: level.to_owned(), filter: handle, settings })))
}

/// The filter that a level says.
///
/// # Errors
/// A level that is none.
pub(crate) fn filter(level: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(level).map_err(|error| format!("'{level}' is no log level: {error}"))
}

impl LogControl for LogSwitch {
    fn settings(&self) -> LogSettings {
        current(&self.0.settings)
    }

    fn update(&self, settings: LogSettings) -> girandole_core::Result<()> {
        let level = match settings.verbose_level {
            level if level == verbosity(&self.0.configured) => self.0.configured.as_str(),
            0 => "info",
            1 => "debug",
            _ => "trace",
        };
        let filter = filter(level).map_err(Error::internal)?;
        self.0.filter.reload(filter).map_err(|error| Error::internal(error.to_string()))?;
        *self.0.settings.lock().unwrap_or_else(PoisonError::into_inner) = settings;
        Ok(())
    }
}

fn current(settings: &Mutex<LogSettings>) -> LogSettings {
    *settings.lock().unwrap_or_else(PoisonError::into_inner)
}

fn allows(settings: &LogSettings, level: Level) -> bool {
    match level {
        Level::ERROR => settings.error,
        Level::WARN => settings.warning,
        Level::INFO => settings.info,
        Level::DEBUG => settings.verbose_level > 0,
        Level::TRACE => settings.verbose_level > 1,
    }
}

/// Triton's verbosity that comes closest to a level.
fn verbosity(level: &str) -> u32 {
    match level {
        _ if level.contains("trace") => 2,
        _ if level.contains("debug") => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_has_its_own_switch() {
        let quiet = LogSettings { info: false, ..LogSettings::default() };
        assert!(!allows(&quiet, Level::INFO) && allows(&quiet, Level::WARN) && allows(&quiet, Level::ERROR));
        let verbose = LogSettings { verbose_level: 1, ..LogSettings::default() };
        assert!(allows(&verbose, Level::DEBUG) && !allows(&verbose, Level::TRACE));
    }

    #[test]
    fn a_log_level_must_be_one() {
        assert!(filter("girandole=debug,info").is_ok());
        assert!(filter("=").is_err());
    }
}
