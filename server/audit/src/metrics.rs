//! The log's metrics: what was written, and what could not be.

use metrics::{Counter, counter, describe_counter};

/// Entries that are on the disk.
const WRITTEN: &str = "girandole_audit_entries_total";
/// Entries that could not be written.
const LOST: &str = "girandole_audit_lost_total";

/// Describes the log's metrics to the recorder in place.
pub fn describe() {
    describe_counter!(WRITTEN, "Entries of the audit log that are on the disk");
    describe_counter!(LOST, "Entries of the audit log that could not be written");
}

pub(crate) fn written() -> Counter {
    counter!(WRITTEN)
}

pub(crate) fn lost() -> Counter {
    counter!(LOST)
}
