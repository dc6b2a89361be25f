//! An append-only log of what changed on a server: JSON lines, each with the hash of the one before, so that a line
//! that is changed, taken out or moved is found.
//!
//! [`line`](crate::line) turns an entry into a line and back, [`Chain`] judges lines one after the other; both are
//! pure. [`AuditLog`] is the thread that writes, [`verify`] and [`entries`] read. What the chain cannot know is
//! whether its newest lines were cut off: whoever wants to know that keeps the head that [`verify`] tells.
#![forbid(unsafe_code)]

mod chain;
mod entry;
mod file;
mod files;
mod line;
mod metrics;
mod read;
mod writer;

pub use chain::{Chain, Fault, Flaw, Head, Report};
pub use entry::Entry;
pub use metrics::describe;
pub use read::{Wanted, entries, verify};
pub use writer::{AuditLog, AuditOptions};
