//! The one error type that crosses crates: a code from a closed set and a message for the user.
//!
//! Messages say what was expected, what came and what to do; they never carry internals such as paths or
//! pointers. Only the protocol crate turns a code into an HTTP or gRPC status.

use std::{fmt, time::Duration};

/// What went wrong, as far as a caller can act on it. Introduce new variants thoughtfully.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The request is malformed or does not fit the model.
    InvalidArgument,
    /// No credentials, or wrong ones.
    Unauthenticated,
    /// Known caller, forbidden action.
    PermissionDenied,
    /// No such model, version or label.
    NotFound,
    /// The thing to create is there already.
    AlreadyExists,
    /// What is to be changed is not, or not any more, as the caller takes it to be.
    FailedPrecondition,
    /// The model is known but does not serve now (loading, failed, draining), or the server shuts down.
    Unavailable,
    /// A body or batch above its limit.
    TooLarge,
    /// A queue or a quota is full; try again later.
    Overloaded,
    /// The deadline passed, or cannot be met any more.
    DeadlineExceeded,
    /// The caller has gone.
    Cancelled,
    /// The device has no memory left for this batch; try again.
    OutOfMemory,
    /// A feature that is switched off or not built.
    Unimplemented,
    /// The server's fault.
    Internal,
}

/// An error as the caller will see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    code: ErrorCode,
    message: String,
    retry_after: Option<Duration>,
}

/// The result of everything that can fail towards a caller.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `code` with a message for the user.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after: None }
    }

    /// The request is malformed or does not fit the model.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidArgument, message)
    }

    /// No such model, version or label.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotFound, message)
    }

    /// The model is known but does not serve now.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Unavailable, message)
    }

    /// The server's fault.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Internal, message)
    }

    /// The same error with advice when to try again.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// The same error with `context: ` before its message.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }

    /// What went wrong.
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// The message for the user.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// When to try again, where that is known.
    pub const fn retry_hint(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_goes_before_the_message_and_keeps_the_code() {
        let error = Error::not_found("no version 3").context("model 'churn'");
        assert_eq!(error.code(), ErrorCode::NotFound);
        assert_eq!(error.to_string(), "model 'churn': no version 3");
    }
}
