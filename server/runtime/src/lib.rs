//! The runtime: a repository of models, their lifecycle, routing between versions, dynamic batching and
//! the instances that run batches. It knows nothing of networks and nothing of engines.
#![forbid(unsafe_code)]

mod atomic_file;
pub mod batcher;
mod breaker;
mod classification;
pub mod config;
pub mod instances;
pub mod lifecycle;
pub mod metrics;
pub mod repository;
pub mod rollout;
pub mod routing;
pub mod service;
pub mod settings;
mod shadow;
pub mod snapshot;
pub mod statistics;
mod sync;
pub mod trace;
pub mod traffic;
mod values;
