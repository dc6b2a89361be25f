//! Trace settings, of the server and of single models.

use girandole_core::{Error, ErrorCode};

use super::Answer;

/// The settings that hold for every model.
pub(super) async fn of_server() -> Answer {
    unserved()
}

/// Changes the settings that hold for every model.
pub(super) async fn update_server() -> Answer {
    unserved()
}

/// One model's settings.
pub(super) async fn of_model() -> Answer {
    unserved()
}

/// Changes one model's settings.
pub(super) async fn update_model() -> Answer {
    unserved()
}

fn unserved() -> Answer {
    Err(Error::new(ErrorCode::Unimplemented, "tracing is not served").into())
}
