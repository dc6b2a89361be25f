//! Dynamic batching: requests wait in one bounded queue per version, and whoever has a free session takes
//! a batch from it.
//!
//! [`policy`] decides and [`pace`] foresees (pure), [`queue`] holds, [`service`] is the lock and the wake-ups around them;
//! [`assemble`] and [`split`] turn requests into a batch and its outputs back into answers, [`recover`] says
//! what happens to the requests of a batch that failed, [`order`] holds answers back where order matters,
//! [`standing`] what happens while instances have no session.

mod appetite;
pub(crate) mod assemble;
mod average;
pub(crate) mod dispatch;
pub(crate) mod error;
pub(crate) mod estimate;
pub(crate) mod message;
pub(crate) mod order;
mod pace;
pub(crate) mod policy;
pub(crate) mod queue;
pub(crate) mod recover;
pub(crate) mod service;
pub(crate) mod split;
pub(crate) mod standing;
mod state;
#[cfg(test)]
pub(crate) mod testing;

pub use policy::Reason;
pub use queue::DEFAULT_MAX_QUEUE_SIZE;
