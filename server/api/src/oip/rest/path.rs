//! The model and version that a route's path names.

use axum::extract::{FromRequestParts, RawPathParams};
use girandole_core::{Error, VersionSelector};
use http::request::Parts;

use crate::{error::RestError, oip::convert};

/// The model of a route, and its version where the route has one.
#[derive(Debug)]
pub(crate) struct ModelPath {
    pub(crate) name: String,
    pub(crate) version: VersionSelector,
}

impl<S: Send + Sync> FromRequestParts<S> for ModelPath {
    type Rejection = RestError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, RestError> {
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| Error::invalid("the path must be percent-encoded UTF-8"))?;
        let (mut name, mut version) = ("", "");
        for (key, value) in &params {
            match key {
                "model" => name = value,
                "version" => version = value,
                _ => {}
            }
        }
        let (name, version) = convert::model(name, version)?;
        Ok(Self { name: name.to_owned(), version })
    }
}
