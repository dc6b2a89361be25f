//! Lets a request to its handler where the policy allows what it does, before anything of its body is read.

use axum::{
    RequestExt,
    extract::{RawPathParams, Request, State},
    middleware::Next,
    response::Response,
};
use girandole_access::{Action, Admitted, Caller};
use girandole_core::Result;

use super::Style;
use crate::security::Guard;

/// What stands before a route.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) guard: Guard,
    pub(crate) action: Action,
    pub(crate) style: Style,
}

/// Lets a request in with its [`Caller`] as extension, or refuses it.
///
/// The model counts where the path names it. A gRPC message names its own: its handler asks once it has read it.
pub(crate) async fn authorize(State(door): State<Door>, mut request: Request, next: Next) -> Response {
    match admit(&door, &mut request).await {
        Ok(_in_work) => next.run(request).await,
        Err(error) => {
            tracing::debug!(%error, path = request.uri().path(), "refused");
            door.style.refuse(error)
        }
    }
}

async fn admit(door: &Door, request: &mut Request) -> Result<Option<Admitted>> {
    let Some(caller) = door.guard.caller(request.headers(), request.extensions())? else { return Ok(None) };
    let model = model(request).await;
    caller.may(door.action, model.as_deref())?;
    let admitted = model.map(|model| admission(door, &caller, &model)).transpose()?.flatten();
    request.extensions_mut().insert(caller);
    Ok(admitted)
}

/// A call may be a stream of requests, so they are counted where they are read.
fn admission(door: &Door, caller: &Caller, model: &str) -> Result<Option<Admitted>> {
    match (door.style, door.action) {
        (Style::Rest, Action::Infer) => door.guard.admit(Some(caller), model),
        _ => Ok(None),
    }
}

/// The model that the path names.
async fn model(request: &mut Request) -> Option<String> {
    let params = request.extract_parts::<RawPathParams>().await.ok()?;
    let mut params = params.iter();
    params.find(|(key, _)| *key == "model").map(|(_, value)| value.to_owned())
}
