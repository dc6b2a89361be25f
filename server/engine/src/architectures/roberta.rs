//! RoBERTa and what is built like it (XLM-RoBERTa, CamemBERT): BERT whose positions are counted from behind the
//! padding's number, without token types, with another classifier. Tensors and configuration as transformers' have
//! them. <https://huggingface.co/docs/transformers/model_doc/roberta>

use girandole_proto::onnx::tensor_proto::DataType;

use super::{
    bert::{Config, Given, base, places},
    document::Document,
    encoder::tokens,
    heads::{self, Classifier},
    layers::Activation,
    network::{Network, Value},
    task::Task,
};
use crate::{error::Result, ops::function::int};

/// The number of the padding's token, where the configuration has none.
const PADDING: i64 = 1;

/// The places of the tokens `[batch, sequence]`, counted from behind the padding's number over all that are no
/// padding, which has its number itself.
fn behind_padding(network: &mut Network<'_>, ids: &Value, padding: i64) -> Value {
    network.enter("positions");
    let padding = network.int(padding);
    let padded = network.call("Equal", &[ids, &padding]);
    let token = network.call("Not", &[&padded]);
    let token = network.call_with("Cast", &[&token], vec![int("to", DataType::Int64 as i64)]);
    let axis = network.int(1);
    let count = network.call("CumSum", &[&token, &axis]);
    let count = network.call("Mul", &[&count, &token]);
    network.call("Add", &[&count, &padding])
}

/// The type of the tokens `[sequence]`: the first for all, as far as there are positions for them.
fn first_type(network: &mut Network<'_>, ids: &Value, positions: usize, padding: i64) -> Value {
    let before = usize::try_from(padding.saturating_add(1)).unwrap_or_default();
    let places = places(network, ids, positions.saturating_sub(before));
    let none = network.int(0);
    network.call("Mul", &[&places, &none])
}

/// Builds a RoBERTa. Inputs: `input_ids`, `attention_mask`.
///
/// # Errors
/// `Invalid` or `Unsupported` naming the field or the tensor that does not fit.
pub(super) fn build(task: &Task, document: &Document, network: &mut Network<'_>) -> Result<()> {
    let config: Config = document.parse()?;
    let base = base(network, "roberta");
    let [ids, attention_mask] = ["input_ids", "attention_mask"].map(|name| tokens(network, name));
    let padding = config.pad_token_id.unwrap_or(PADDING);
    let positions = behind_padding(network, &ids, padding);
    let types = first_type(network, &ids, config.max_position_embeddings, padding);
    let encoded = config.encode(network, &base, &Given { ids, attention_mask, types, positions })?;
    let classifier = Classifier {
        dense: "classifier.dense".to_owned(),
        activation: Activation::Tanh,
        scores: "classifier.out_proj",
    };
    heads::build(task, document, network, &encoded, &classifier)
}
