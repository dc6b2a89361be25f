//! From a directory of models to versions that serve: load beside, warm up, publish with one store, drain by
//! reference count.
//!
//! One thread, the manager, decides and publishes; a watching thread scans; a few loading threads do what
//! takes long. They talk through events, so no lock is held and no request ever waits for any of them.

mod admission;
mod breakers;
mod check;
mod entry;
mod handle;
mod job;
mod manager;
mod memory;
mod options;
mod patience;
mod plan;
mod pool;
mod precision;
mod prepare;
mod rehearsal;
mod rollouts;
mod signposts;
mod traffic;
mod warmup;

pub use check::{CheckOptions, CheckReport, Checked, check};
pub use handle::{Runtime, RuntimeHandle};
pub(crate) use manager::Event;
pub use options::{ControlMode, OnUnloaded, RuntimeOptions};
pub use pool::LoadPriority;
pub(crate) use traffic::TrafficEdit;

#[cfg(test)]
#[cfg(not(feature = "races"))]
mod tests;
