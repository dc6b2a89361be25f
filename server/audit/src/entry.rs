//! One entry: its place in the chain, when, who, and what.

use std::time::SystemTime;

use girandole_core::audit::Change;
use serde::{Deserialize, Serialize};

/// One entry of an audit log, without its own hash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number; the first is 1.
    pub seq: u64,
    /// When it happened, UTC (RFC 3339).
    pub time: String,
    /// Who was behind it: `server`, `repository`, `client`, `loopback`, or an admin token's name.
    pub who: String,
    /// Where they were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// What happened.
    #[serde(flatten)]
    pub change: Change,
    /// The hash of the entry before, 64 zeros for the first.
    pub prev: String,
}

impl Entry {
    /// When it happened, where that can be read.
    pub fn at(&self) -> Option<SystemTime> {
        humantime::parse_rfc3339(&self.time).ok()
    }
}
