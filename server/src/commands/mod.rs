//! One file per command, each with the same member: `run`, from options to exit code.

use std::{fmt, process::ExitCode};

pub(crate) mod access;
pub(crate) mod audit;
pub(crate) mod bench;
pub(crate) mod certs;
pub(crate) mod check;
pub(crate) mod encrypt;
pub(crate) mod infer;
pub(crate) mod inspect;
mod output;
pub(crate) mod seal;
pub(crate) mod serve;
mod test_data;
pub(crate) mod traffic;

/// How a command ends: an exit code, or a failure to print.
pub(crate) type Outcome = Result<ExitCode, Failure>;

/// Why a command failed, for a person.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}
