//! Inference over REST: JSON, JSON with binary tensors, or one raw tensor.

pub(crate) mod decode;
pub(crate) mod encode;

use std::sync::Arc;

use axum::{body::Body, extract::State};
use girandole_core::{Error, Result};
use http::HeaderMap;

use super::{Answer, body, path::ModelPath};
use crate::oip::{
    Oip, binary,
    convert::structured,
    route::{self, CallHeaders},
};

/// Bodies above this many bytes are parsed and written off the event loop, which others need meanwhile.
const OFFLOAD_ABOVE: usize = 1 << 20;

/// Runs a request.
pub(super) async fn infer(State(oip): State<Oip>, path: ModelPath, headers: HeaderMap, body: Body) -> Answer {
    let _place = oip.requests.enter()?;
    let body = body::read(&headers, body, oip.limits.max_body_bytes).await?;
    let size = body.len();
    let form = binary::split(&headers, body)?;
    let mut decoded = match form {
        binary::Form::Raw(body) => {
            let metadata = oip.service.model_metadata(&path.name, &path.version)?;
            decode::raw(path, &metadata.spec, body)?
        }
        form => {
            let limits = oip.limits;
            offload(size, move || structured::decode(path.name, path.version, form, &limits)).await?
        }
    };
    decoded.request.headers = Some(Arc::new(CallHeaders(headers)));
    let response = oip.service.infer(decoded.request).await?;
    let (form, way) = (decoded.outputs, response.route.clone());
    let size = response.outputs.iter().map(|output| output.tensor.data().len()).sum();
    let mut answer = offload(size, move || encode::response(&response, &form)).await?;
    route::write(&way, answer.headers_mut());
    Ok(answer)
}

async fn offload<T: Send + 'static>(
    size: usize,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    if size <= OFFLOAD_ABOVE {
        return work();
    }
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Error::internal("the request could not be converted")))
}
