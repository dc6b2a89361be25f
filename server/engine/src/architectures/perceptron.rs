//! A perceptron of ours: a `config.json` that lists the layers of an `nn.Sequential`.

use girandole_proto::onnx::tensor_proto::DataType;
use serde::{Deserialize, de::IgnoredAny};

use super::{
    document::Document,
    network::{Network, Size},
    sequential::{self, Rows, Step},
};
use crate::error::Result;

/// A `config.json` of `model_type` `girandole-mlp`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(rename = "model_type")]
    _model_type: IgnoredAny,
    #[serde(default = "Names::input")]
    input: String,
    #[serde(default = "Names::output")]
    output: String,
    layers: Vec<Step>,
}

/// The names of input and output where the configuration has none.
pub(super) struct Names;

impl Names {
    pub(super) fn input() -> String {
        "input".to_owned()
    }

    pub(super) fn output() -> String {
        "output".to_owned()
    }
}

/// Builds a perceptron: `[batch, features]` of `f32` to the same.
///
/// # Errors
/// `Invalid` naming the field or the tensor that does not fit.
pub(super) fn build(document: &Document, network: &mut Network<'_>) -> Result<()> {
    let config: Config = document.parse()?;
    let width = sequential::width(network, &config.layers)?;
    let shape = [Size::Free("batch_size"), Size::Fixed(width)];
    let value = network.input(&config.input, DataType::Float, &shape);
    let rows = sequential::build(network, &config.layers, Rows { value, rank: 2, width })?;
    network.output(&config.output, &rows.value);
    Ok(())
}
