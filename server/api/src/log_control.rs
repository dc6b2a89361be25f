//! What clients may see and change of the server's log, and the trait by which the binary lets them.

use girandole_core::Result;

/// How log lines give the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// The server's own form.
    #[default]
    Default,
    /// ISO 8601.
    Iso8601,
}

/// What is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Lines of level info.
    pub info: bool,
    /// Lines of level warning.
    pub warning: bool,
    /// Lines of level error.
    pub error: bool,
    /// Above 0: debug lines; above 1: trace lines too.
    pub verbose_level: u32,
    /// How lines give the time.
    pub format: LogFormat,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { info: true, warning: true, error: true, verbose_level: 0, format: LogFormat::Default }
    }
}

/// Changes the log while the server runs.
pub trait LogControl: Send + Sync + 'static {
    /// The settings in force.
    fn settings(&self) -> LogSettings;

    /// Puts settings in force.
    ///
    /// # Errors
    /// `InvalidArgument` or `Unimplemented` with what cannot be changed; then nothing is.
    fn update(&self, settings: LogSettings) -> Result<()>;
}
