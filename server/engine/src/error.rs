//! What can go wrong inside the engine, before a model, node or tensor is named.

use std::io;

use girandole_core::{Error, ErrorCode, why};

/// The result of importing, planning or running one node.
pub type Result<T, E = OpError> = std::result::Result<T, E>;

/// A failure of one node; [`OpError::at`] names the node and gives it its code.
#[derive(Debug, thiserror::Error)]
pub enum OpError {
    /// The model or the data do not fit: what was expected and what came.
    #[error("{0}")]
    Invalid(String),
    /// A thing of ONNX that the engine lacks.
    #[error("{0}")]
    Unsupported(String),
    /// A tensor too large to make.
    #[error("{0}")]
    TooLarge(String),
    /// candle refused.
    #[error("{0}")]
    Candle(#[from] candle_core::Error),
    /// An error that already has its code and place.
    #[error("{0}")]
    Placed(Error),
}

impl OpError {
    /// The model or the data do not fit.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    /// A thing of ONNX that the engine lacks.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::Unsupported(message.into())
    }

    /// The same failure with `what: ` before its message.
    #[must_use]
    pub fn of(self, what: impl std::fmt::Display) -> Self {
        match self {
            Self::Invalid(message) => Self::Invalid(format!("{what}: {message}")),
            Self::Unsupported(message) => Self::Unsupported(format!("{what}: {message}")),
            Self::TooLarge(message) => Self::TooLarge(format!("{what}: {message}")),
            Self::Placed(error) => Self::Placed(error.context(what)),
            candle @ Self::Candle(_) => candle,
        }
    }

    /// The error as a caller sees it, with the node it came from.
    pub fn at(self, place: impl std::fmt::Display) -> Error {
        let code = match &self {
            Self::Invalid(_) | Self::Unsupported(_) => ErrorCode::InvalidArgument,
            Self::TooLarge(_) => ErrorCode::OutOfMemory,
            Self::Candle(_) => ErrorCode::Internal,
            Self::Placed(error) => return error.clone(),
        };
        // candle appends a backtrace to its messages where one was captured; the first line is the message.
        let message = self.to_string();
        Error::new(code, message.lines().next().unwrap_or_default()).context(place)
    }
}

/// Of a file that cannot be read: where the system fails, another try may help; where somebody refused the file, it
/// is the file's fault.
pub(crate) fn unreadable(what: &str, error: &io::Error) -> Error {
    let message = format!("{what} cannot be read: {}", why(error));
    if error.get_ref().is_some() { Error::invalid(message) } else { Error::unavailable(message) }
}

impl From<girandole_kernels::Misfit> for OpError {
    fn from(misfit: girandole_kernels::Misfit) -> Self {
        Self::invalid(misfit.to_string())
    }
}

impl From<Error> for OpError {
    fn from(error: Error) -> Self {
        Self::Placed(error)
    }
}
