//! What the server is, and what a model takes and gives.

use std::collections::BTreeMap;

use axum::extract::State;
use girandole_core::TensorSpec;
use serde::Serialize;

use super::{Answer, path::ModelPath};
use crate::oip::{EXTENSIONS, NAME, Oip, VERSION};

#[derive(Serialize)]
struct Server {
    name: &'static str,
    version: &'static str,
    extensions: &'static [&'static str],
}

#[derive(Serialize)]
struct Model<'a> {
    name: &'a str,
    versions: Vec<String>,
    platform: &'a str,
    inputs: Vec<Tensor<'a>>,
    outputs: Vec<Tensor<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    properties: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Tensor<'a> {
    name: &'a str,
    datatype: &'static str,
    shape: Vec<i64>,
}

/// The server's name, version and extensions.
pub(super) async fn server() -> Answer {
    super::json(&Server { name: NAME, version: VERSION, extensions: &EXTENSIONS })
}

/// A model's versions, inputs and outputs.
pub(super) async fn model(State(oip): State<Oip>, path: ModelPath) -> Answer {
    let metadata = oip.service.model_metadata(&path.name, &path.version)?;
    super::json(&Model {
        name: &metadata.name,
        versions: metadata.versions.iter().map(u64::to_string).collect(),
        platform: &metadata.platform,
        inputs: metadata.spec.inputs.iter().map(tensor).collect(),
        outputs: metadata.spec.outputs.iter().map(tensor).collect(),
        properties: &metadata.properties,
    })
}

fn tensor(spec: &TensorSpec) -> Tensor<'_> {
    Tensor { name: &spec.name, datatype: spec.dtype.name(), shape: spec.wire_shape() }
}
