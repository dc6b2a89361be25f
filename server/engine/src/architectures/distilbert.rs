//! DistilBERT: half of BERT's layers, without token types and pooler. Tensors and configuration as transformers'
//! `DistilBertModel` has them. <https://huggingface.co/docs/transformers/model_doc/distilbert>

use serde::Deserialize;

use super::{
    bert::{base, places},
    document::Document,
    encoder::{Encoder, Names, tokens},
    heads::{self, Classifier, Encoded},
    layers::Activation,
    network::Network,
    task::Task,
};
use crate::error::Result;

/// What is added to variances; no configuration has it.
const EPS: f32 = 1e-12;

/// A `config.json`; what it leaves out is transformers' default.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct Config {
    vocab_size: usize,
    dim: usize,
    n_layers: usize,
    n_heads: usize,
    hidden_dim: usize,
    activation: Activation,
    max_position_embeddings: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            vocab_size: 30522,
            dim: 768,
            n_layers: 6,
            n_heads: 12,
            hidden_dim: 3072,
            activation: Activation::Gelu,
            max_position_embeddings: 512,
        }
    }
}

const NAMES: Names = Names {
    query: "attention.q_lin",
    key: "attention.k_lin",
    value: "attention.v_lin",
    attended: "attention.out_lin",
    attention_norm: "sa_layer_norm",
    up: "ffn.lin1",
    down: "ffn.lin2",
    norm: "output_layer_norm",
};

impl Config {
    fn encoder(&self) -> Result<Encoder> {
        let encoder = Encoder {
            width: self.dim,
            heads: self.n_heads,
            inner: self.hidden_dim,
            activation: self.activation,
            eps: EPS,
            names: &NAMES,
        };
        encoder.check().map(|()| encoder)
    }
}

/// Builds a DistilBERT. Inputs: `input_ids`, `attention_mask`.
///
/// # Errors
/// `Invalid` or `Unsupported` naming the field or the tensor that does not fit.
pub(super) fn build(task: &Task, document: &Document, network: &mut Network<'_>) -> Result<()> {
    let config: Config = document.parse()?;
    let (encoder, width) = (config.encoder()?, config.dim);
    let base = base(network, "distilbert");
    let [ids, attention_mask] = ["input_ids", "attention_mask"].map(|name| tokens(network, name));
    let module = |name: &str| format!("{base}embeddings.{name}");
    let places = places(network, &ids, config.max_position_embeddings);
    let words = network.embedding(&module("word_embeddings"), &ids, [config.vocab_size, width])?;
    let rows = [config.max_position_embeddings, width];
    let positions = network.embedding(&module("position_embeddings"), &places, rows)?;
    let sum = network.call("Add", &[&words, &positions]);
    let x = network.layer_norm(&module("LayerNorm"), &sum, width, EPS)?;
    let layers = format!("{base}transformer.layer");
    let states = encoder.layers(network, &layers, config.n_layers, x, &attention_mask)?;
    let classifier =
        Classifier { dense: "pre_classifier".to_owned(), activation: Activation::Relu, scores: "classifier" };
    heads::build(task, document, network, &Encoded { states, attention_mask, width, base }, &classifier)
}
