//! A model's configuration: Triton's text or JSON in, validated [`ModelSettings`](crate::settings) out.
//!
//! [`parse_text`] and [`parse_json`] know the form alone; [`resolve`] holds it against what the engine says of
//! the model, fills in what is missing, and refuses what cannot be honoured. All mistakes are reported at once.

mod batch_size;
mod batching;
mod brackets;
mod circuit_breaker;
mod files;
mod format;
mod graphs;
mod instances;
mod labels;
mod mistakes;
mod platform;
mod refused;
mod reshape;
mod resolve;
mod tensors;
mod versions;
mod warmup;

pub use format::{parse_json, parse_text, to_json};
pub use instances::Devices;
pub(crate) use resolve::parameters;
pub use resolve::{Completion, Context, Resolved, placements, resolve};
pub use versions::VersionPolicy;
pub(crate) use warmup::{random, zeros};

/// The name of the file, within a model's directory, that holds its configuration.
pub const CONFIG_FILE: &str = "config.pbtxt";

#[cfg(test)]
mod tests;
