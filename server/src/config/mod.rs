//! The server's configuration: flags over environment over file over defaults, checked as a whole.
//!
//! [`ServeOptions`] is what a person may say, [`ServeConfig`] what the server does. Every mistake is
//! reported, not only the first.

mod addresses;
mod keys;
mod limits;
mod merge;
mod options;
mod validate;

pub(crate) use addresses::Addresses;
pub(crate) use keys::key_source;
pub(crate) use limits::ServeLimits;
pub(crate) use options::{AdminAddress, ClientCertificates, ControlMode, LoadPriority, ServeOptions};
pub(crate) use validate::{Machine, ServeConfig, read_file, resolve};
