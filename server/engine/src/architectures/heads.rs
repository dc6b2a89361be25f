//! What stands behind an encoder's last layer, for each use of it. Outputs have the names that optimum's ONNX
//! exports give them.

use super::{
    document::Document,
    layers::{Activation, within},
    network::{Network, Value},
    task::Task,
};
use crate::{
    error::{OpError, Result},
    ops::function::int,
};

/// Labels of a classifier of which nothing else is known, as in transformers.
const LABELS: usize = 2;

/// An encoder's answer.
pub(super) struct Encoded {
    /// `[batch, sequence, width]`
    pub(super) states: Value,
    /// `[batch, sequence]`
    pub(super) attention_mask: Value,
    pub(super) width: usize,
    /// What the names of the encoder's own tensors begin with: nothing, or a name and a dot.
    pub(super) base: String,
}

/// What gives texts their scores by the state of the first token, in which architectures differ.
pub(super) struct Classifier {
    /// The module of a dense layer.
    pub(super) dense: String,
    pub(super) activation: Activation,
    /// The module of the product that gives a score for each label.
    pub(super) scores: &'static str,
}

/// Builds what a task asks for.
///
/// # Errors
/// `Invalid` naming a tensor that does not fit.
pub(super) fn build(
    task: &Task,
    document: &Document,
    network: &mut Network<'_>,
    encoded: &Encoded,
    classifier: &Classifier,
) -> Result<()> {
    let labels = Labels(document);
    network.spare(format!("{}pooler.", encoded.base));
    match task {
        Task::Features => {
            network.output("last_hidden_state", &encoded.states);
            let pooler = pooler(&encoded.base);
            if network.shape(&within(&pooler, "weight")).is_some() {
                let pooled = dense_of_first(network, encoded, &pooler, Activation::Tanh)?;
                network.output("pooler_output", &pooled);
            }
        }
        Task::Sentence(sentence) => {
            let embedding = sentence.build(network, encoded);
            network.output("sentence_embedding", &embedding);
        }
        Task::SequenceClassification => {
            let Classifier { dense, activation, scores } = classifier;
            let state = dense_of_first(network, encoded, dense, *activation)?;
            let logits = labels.classify(network, scores, &state, encoded.width)?;
            network.output("logits", &logits);
        }
        Task::TokenClassification => {
            let logits = labels.classify(network, "classifier", &encoded.states, encoded.width)?;
            network.output("logits", &logits);
        }
        Task::QuestionAnswering => {
            let both = network.linear("qa_outputs", &encoded.states, [2, encoded.width])?;
            for (name, column) in [("start_logits", 0), ("end_logits", 1)] {
                let column = network.int(column);
                let logits = network.call_with("Gather", &[&both, &column], vec![int("axis", -1)]);
                network.output(name, &logits);
            }
        }
    }
    Ok(())
}

/// The state of the first token, `[batch, width]`.
pub(super) fn first(network: &mut Network<'_>, encoded: &Encoded) -> Value {
    network.enter("first token");
    let zero = network.int(0);
    network.call_with("Gather", &[&encoded.states, &zero], vec![int("axis", 1)])
}

/// What the pooler of an encoder is called.
pub(super) fn pooler(base: &str) -> String {
    format!("{base}pooler.dense")
}

/// What a dense layer makes of the first token's state, `[batch, width]`.
fn dense_of_first(
    network: &mut Network<'_>,
    encoded: &Encoded,
    module: &str,
    activation: Activation,
) -> Result<Value> {
    let first = first(network, encoded);
    let dense = network.linear(module, &first, [encoded.width; 2])?;
    Ok(network.activate(&dense, activation))
}

/// How many labels a classifier tells apart.
#[derive(Clone, Copy)]
struct Labels<'d>(&'d Document);

impl Labels<'_> {
    /// A product that gives a score for each label: as many as its weights have rows.
    ///
    /// # Errors
    /// `Invalid` where the configuration names another number of labels, or a tensor does not fit.
    fn classify(self, network: &mut Network<'_>, module: &str, x: &Value, width: usize) -> Result<Value> {
        let name = within(module, "weight");
        let named = self.0.labels();
        let rows = network.shape(&name).and_then(|shape| shape.first().copied());
        let labels = rows.or(named).unwrap_or(LABELS);
        if named.is_some_and(|named| named != labels) {
            return Err(OpError::invalid(format!(
                "config.json names {} labels (id2label), tensor '{name}' has {labels}",
                named.unwrap_or_default()
            )));
        }
        network.linear(module, x, [labels, width])
    }
}
