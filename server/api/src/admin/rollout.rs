//! Commands to a model's rollout.

use axum::{
    Extension,
    extract::{Path, State, rejection::PathRejection},
};
use girandole_core::{Error, audit::Actor};
use girandole_runtime::rollout::Command;
use serde::Deserialize;

use super::{Admin, traffic};
use crate::oip::rest::{Answer, path::ModelPath};

#[derive(Deserialize)]
pub(super) struct Asked {
    command: Command,
}

/// Tells a rollout what to do; answers with the traffic that applies then.
pub(super) async fn control(
    State(admin): State<Admin>,
    Extension(who): Extension<Actor>,
    path: ModelPath,
    asked: Result<Path<Asked>, PathRejection>,
) -> Answer {
    let Path(Asked { command }) = asked.map_err(|_| unknown())?;
    admin.service.control_rollout(&path.name, command, who).await?;
    traffic::show(State(admin), path).await
}

fn unknown() -> Error {
    let all = Command::ALL.map(Command::as_str).join(", ");
    Error::not_found(format!("a rollout's commands are {all}"))
}
