//! Everything with a socket: the Open Inference Protocol over REST and gRPC, TLS, and the metrics.
//!
//! Protocols decode bytes into the contract's request, call the runtime's [`Service`] and encode its
//! answer; they hold no logic of their own. [`serve`] is the way in.
//!
//! [`Service`]: girandole_runtime::service::Service
#![forbid(unsafe_code)]

mod admin;
mod audit_trail;
pub mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod json_file;
mod layers;
mod limits;
mod listener;
mod log_control;
mod metrics;
mod oip;
pub mod security;
mod serve;
mod stop;

pub use admin::AdminListener;
pub use audit_trail::{AuditQuery, AuditTrail};
pub use limits::{ConnectionLimits, Limits};
pub use log_control::{LogControl, LogFormat, LogSettings};
pub use metrics::Render;
pub use serve::{ApiOptions, Ended, Metrics, serve};
