//! BERT. Tensors and configuration as transformers' `BertModel` has them.
//! <https://huggingface.co/docs/transformers/model_doc/bert>

use serde::Deserialize;

use super::{
    document::Document,
    encoder::{Encoder, Names, check_kind, tokens},
    heads::{self, Classifier, Encoded, pooler},
    layers::Activation,
    network::{Network, Value, signed},
    task::Task,
};
use crate::{error::Result, ops::function::int};

/// A `config.json`; what it leaves out is transformers' default.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct Config {
    pub(super) vocab_size: usize,
    pub(super) hidden_size: usize,
    pub(super) num_hidden_layers: usize,
    pub(super) num_attention_heads: usize,
    pub(super) intermediate_size: usize,
    pub(super) hidden_act: Activation,
    pub(super) max_position_embeddings: usize,
    pub(super) type_vocab_size: usize,
    pub(super) layer_norm_eps: f32,
    pub(super) pad_token_id: Option<i64>,
    position_embedding_type: Option<String>,
    is_decoder: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            vocab_size: 30522,
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3072,
            hidden_act: Activation::Gelu,
            max_position_embeddings: 512,
            type_vocab_size: 2,
            layer_norm_eps: 1e-12,
            pad_token_id: None,
            position_embedding_type: None,
            is_decoder: false,
        }
    }
}

const NAMES: Names = Names {
    query: "attention.self.query",
    key: "attention.self.key",
    value: "attention.self.value",
    attended: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    up: "intermediate.dense",
    down: "output.dense",
    norm: "output.LayerNorm",
};

impl Config {
    /// The layers.
    ///
    /// # Errors
    /// `Invalid` or `Unsupported` naming the field that does not fit.
    pub(super) fn encoder(&self) -> Result<Encoder> {
        check_kind(self.position_embedding_type.as_deref(), self.is_decoder)?;
        let encoder = Encoder {
            width: self.hidden_size,
            heads: self.num_attention_heads,
            inner: self.intermediate_size,
            activation: self.hidden_act,
            eps: self.layer_norm_eps,
            names: &NAMES,
        };
        encoder.check().map(|()| encoder)
    }

    /// Tokens to the states of the last layer. `positions` and `types` are `[batch or 1, sequence or 1]`.
    ///
    /// # Errors
    /// `Invalid` naming a tensor that does not fit.
    pub(super) fn encode(&self, network: &mut Network<'_>, base: &str, given: &Given) -> Result<Encoded> {
        let (encoder, width) = (self.encoder()?, self.hidden_size);
        let module = |name: &str| format!("{base}embeddings.{name}");
        let words = network.embedding(&module("word_embeddings"), &given.ids, [self.vocab_size, width])?;
        let types = [self.type_vocab_size, width];
        let types = network.embedding(&module("token_type_embeddings"), &given.types, types)?;
        let positions = [self.max_position_embeddings, width];
        let positions = network.embedding(&module("position_embeddings"), &given.positions, positions)?;
        let sum = network.call("Add", &[&words, &types]);
        let sum = network.call("Add", &[&sum, &positions]);
        let x = network.layer_norm(&module("LayerNorm"), &sum, width, self.layer_norm_eps)?;
        let layers = format!("{base}encoder.layer");
        let states = encoder.layers(network, &layers, self.num_hidden_layers, x, &given.attention_mask)?;
        Ok(Encoded { states, attention_mask: given.attention_mask.clone(), width, base: base.to_owned() })
    }
}

/// What an encoder's embeddings are looked up by.
pub(super) struct Given {
    pub(super) ids: Value,
    pub(super) attention_mask: Value,
    pub(super) types: Value,
    pub(super) positions: Value,
}

/// What the names of an encoder's own tensors begin with: a model with a head has it inside.
pub(super) fn base(network: &Network<'_>, name: &str) -> String {
    let inside = format!("{name}.");
    let has = network.shape(&format!("{inside}embeddings.word_embeddings.weight")).is_some();
    if has { inside } else { String::new() }
}

/// The places of the tokens `[sequence]`: 0, 1, 2 and so on, as far as there are `most` of them. A longer sequence
/// finds sizes that do not fit, so that it is refused by GPUs too, whose look-ups know no errors.
pub(super) fn places(network: &mut Network<'_>, ids: &Value, most: usize) -> Value {
    network.enter("positions");
    let (zero, most, one) = (network.int(0), network.int(signed(most)), network.int(1));
    let all = network.call("Range", &[&zero, &most, &one]);
    let length = network.call_with("Shape", &[ids], vec![int("start", 1), int("end", 2)]);
    let first = network.ints(&[0]);
    network.call("Slice", &[&all, &first, &length])
}

/// Builds a BERT. Inputs: `input_ids`, `attention_mask`, `token_type_ids`.
///
/// # Errors
/// `Invalid` or `Unsupported` naming the field or the tensor that does not fit.
pub(super) fn build(task: &Task, document: &Document, network: &mut Network<'_>) -> Result<()> {
    let config: Config = document.parse()?;
    let base = base(network, "bert");
    let [ids, attention_mask, types] =
        ["input_ids", "attention_mask", "token_type_ids"].map(|name| tokens(network, name));
    let positions = places(network, &ids, config.max_position_embeddings);
    let encoded = config.encode(network, &base, &Given { ids, attention_mask, types, positions })?;
    let classifier =
        Classifier { dense: pooler(&encoded.base), activation: Activation::Tanh, scores: "classifier" };
    heads::build(task, document, network, &encoded, &classifier)
}
