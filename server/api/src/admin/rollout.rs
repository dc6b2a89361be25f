//! Commands to a model's rollout.

use axum::{Extension, extract::State};
use girandole_core::{Error, ErrorCode, audit::Actor};

use super::Admin;
use crate::oip::rest::{Answer, path::ModelPath};

/// Tells a rollout what to do; answers with the traffic that applies then.
pub(super) async fn control(
    State(admin): State<Admin>,
    Extension(_who): Extension<Actor>,
    path: ModelPath,
) -> Answer {
    admin.service.routes(&path.name)?;
    Err(Error::new(ErrorCode::Unimplemented, "this server has no rollouts").into())
}
