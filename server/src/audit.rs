//! The audit log wired to the rest: started from the configuration, told of the log's settings, read by
//! administrators.

use std::{collections::BTreeMap, fs, sync::Arc};

use girandole_api::{AuditQuery, AuditTrail, LogControl, LogFormat, LogSettings};
use girandole_audit::{AuditLog, AuditOptions, Wanted};
use girandole_core::{
    Result,
    audit::{Actor, Change, Unwitnessed, What, Witness},
};

use crate::{commands::Failure, config::ServeConfig};

/// The audit log, where one is kept.
pub(crate) struct Audit(Option<Arc<AuditLog>>);

impl Audit {
    /// Opens the log that the configuration names, and the state directory with it.
    ///
    /// # Errors
    /// Where one cannot be written.
    pub(crate) fn start(config: &ServeConfig) -> Result<Self, Failure> {
        if let Some(dir) = &config.state_dir {
            fs::create_dir_all(dir).map_err(|error| {
                Failure::new(format!("--state-dir: {} cannot be made: {error}", dir.display()))
            })?;
        }
        let options = config.audit_log.clone().map(AuditOptions::new);
        let audit = Self(options.map(|options| AuditLog::start(&options)).transpose()?.map(Arc::new));
        audit.record(What::ServerStarted { version: env!("CARGO_PKG_VERSION").to_owned() });
        Ok(audit)
    }

    /// Who is to be told of changes.
    pub(crate) fn witness(&self) -> Option<Arc<dyn Witness>> {
        self.0.clone().map(|log| log as Arc<dyn Witness>)
    }

    /// What administrators may read.
    pub(crate) fn trail(&self) -> Option<Arc<dyn AuditTrail>> {
        self.0.clone().map(|log| Arc::new(Trail(log)) as Arc<dyn AuditTrail>)
    }

    /// Says that the server ended in order, once everything before is on the disk.
    pub(crate) fn stop(&self) {
        self.record(What::ServerStopped);
        self.0.iter().for_each(|log| log.flush());
    }

    fn record(&self, what: What) {
        if let Some(log) = &self.0 {
            log.record(&Actor::Server, Change::new(what));
        }
    }
}

struct Trail(Arc<AuditLog>);

impl AuditTrail for Trail {
    fn entries(&self, query: &AuditQuery) -> Result<Vec<String>> {
        let limit = Some(query.limit);
        self.0.entries(&Wanted { model: query.model.clone(), since: query.since, limit })
    }
}

/// A log whose changes of settings are witnessed.
pub(crate) struct WitnessedLog<L> {
    log: L,
    witness: Arc<dyn Witness>,
}

impl<L: LogControl> WitnessedLog<L> {
    pub(crate) fn new(log: L, witness: Option<Arc<dyn Witness>>) -> Self {
        Self { log, witness: witness.unwrap_or_else(|| Arc::new(Unwitnessed)) }
    }
}

impl<L: LogControl> LogControl for WitnessedLog<L> {
    fn settings(&self) -> LogSettings {
        self.log.settings()
    }

    fn update(&self, settings: LogSettings) -> Result<()> {
        self.log.update(settings)?;
        let change = Change::new(What::LogSettingsChanged { settings: described(&settings) });
        self.witness.record(&Actor::Client, change);
        Ok(())
    }
}

fn described(settings: &LogSettings) -> BTreeMap<String, String> {
    let format = match settings.format {
        LogFormat::Default => "default",
        LogFormat::Iso8601 => "ISO8601",
    };
    let described = [
        ("log_info", settings.info.to_string()),
        ("log_warning", settings.warning.to_string()),
        ("log_error", settings.error.to_string()),
        ("log_verbose_level", settings.verbose_level.to_string()),
        ("log_format", format.to_owned()),
    ];
    described.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
