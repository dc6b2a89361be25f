//! What administrators may read of the audit log, and the trait by which the binary lets them.

use std::time::SystemTime;

use girandole_core::Result;

/// Which entries to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Of this model only.
    pub model: Option<String>,
    /// Of this moment or later.
    pub since: Option<SystemTime>,
    /// The newest, so many of them.
    pub limit: usize,
}

/// Reads an audit log while it is being written.
pub trait AuditTrail: Send + Sync + 'static {
    /// The entries' lines, oldest first. May take as long as a disk does.
    ///
    /// # Errors
    /// `Unavailable` where the log cannot be read.
    fn entries(&self, query: &AuditQuery) -> Result<Vec<String>>;
}
