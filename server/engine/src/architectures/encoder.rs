//! The layers of an encoder of the original kind: attention and a network of two products, each added to what it
//! takes and normalised. <https://arxiv.org/abs/1810.04805>

use girandole_proto::onnx::tensor_proto::DataType;

use super::{
    document::only,
    layers::{Activation, within},
    network::{Network, Size, Value, signed},
};
use crate::{
    error::{OpError, Result},
    ops::function::{int, ints},
};

/// An input of one number for each token: `[batch_size, sequence_length]`.
pub(super) fn tokens(network: &mut Network<'_>, name: &str) -> Value {
    network.input(name, DataType::Int64, &[Size::Free("batch_size"), Size::Free("sequence_length")])
}

/// What an encoder's layers have in common.
pub(super) struct Encoder {
    /// Numbers of a token.
    pub(super) width: usize,
    pub(super) heads: usize,
    /// Numbers between the two products.
    pub(super) inner: usize,
    pub(super) activation: Activation,
    pub(super) eps: f32,
    pub(super) names: &'static Names,
}

/// The modules of a layer.
pub(super) struct Names {
    pub(super) query: &'static str,
    pub(super) key: &'static str,
    pub(super) value: &'static str,
    pub(super) attended: &'static str,
    pub(super) attention_norm: &'static str,
    pub(super) up: &'static str,
    pub(super) down: &'static str,
    pub(super) norm: &'static str,
}

impl Encoder {
    /// # Errors
    /// `Invalid` where the width does not make heads.
    pub(super) fn check(&self) -> Result<()> {
        let Self { width, heads, .. } = self;
        if *width > 0 && *heads > 0 && width.is_multiple_of(*heads) {
            return Ok(());
        }
        Err(OpError::invalid(format!("config.json: {heads} heads do not divide a width of {width}")))
    }

    /// The layers `<module>.0`, `<module>.1` and so on, over `[batch, sequence, width]`; `attention_mask` has 0 for
    /// the tokens that nobody may see.
    pub(super) fn layers(
        &self,
        network: &mut Network<'_>,
        module: &str,
        count: usize,
        x: Value,
        attention_mask: &Value,
    ) -> Result<Value> {
        let mask = mask(network, attention_mask);
        (0..count).try_fold(x, |x, number| self.layer(network, &format!("{module}.{number}"), &x, &mask))
    }

    fn layer(&self, network: &mut Network<'_>, layer: &str, x: &Value, mask: &Value) -> Result<Value> {
        let &Self { width, inner, eps, activation, names, .. } = self;
        let module = |name: &str| within(layer, name);
        let attended = self.attention(network, layer, x, mask)?;
        let attended = network.linear(&module(names.attended), &attended, [width, width])?;
        let sum = network.call("Add", &[&attended, x]);
        let x = network.layer_norm(&module(names.attention_norm), &sum, width, eps)?;
        let up = network.linear(&module(names.up), &x, [inner, width])?;
        let up = network.activate(&up, activation);
        let down = network.linear(&module(names.down), &up, [width, inner])?;
        let sum = network.call("Add", &[&down, &x]);
        network.layer_norm(&module(names.norm), &sum, width, eps)
    }

    /// `softmax(Q K^T / sqrt(columns) + mask) V` of all heads side by side.
    fn attention(&self, network: &mut Network<'_>, layer: &str, x: &Value, mask: &Value) -> Result<Value> {
        let &Self { width, heads, names, .. } = self;
        let columns = width / heads;
        let mut turned = |name: &str, order: &[i64]| -> Result<Value> {
            let rows = network.linear(&within(layer, name), x, [width, width])?;
            let split = network.ints(&[0, 0, signed(heads), signed(columns)]);
            let split = network.call("Reshape", &[&rows, &split]);
            Ok(network.call_with("Transpose", &[&split], vec![ints("perm", order)]))
        };
        let query = turned(names.query, &[0, 2, 1, 3])?;
        let key = turned(names.key, &[0, 2, 3, 1])?;
        let value = turned(names.value, &[0, 2, 1, 3])?;
        network.enter(layer);
        let scores = network.call("MatMul", &[&query, &key]);
        #[allow(clippy::cast_precision_loss)]
        let scale = network.float((columns as f32).sqrt());
        let scores = network.call("Div", &[&scores, &scale]);
        let scores = network.call("Add", &[&scores, mask]);
        let weights = network.call_with("Softmax", &[&scores], vec![int("axis", -1)]);
        let heads = network.call("MatMul", &[&weights, &value]);
        let rows = network.call_with("Transpose", &[&heads], vec![ints("perm", &[0, 2, 1, 3])]);
        let shape = network.ints(&[0, 0, signed(width)]);
        Ok(network.call("Reshape", &[&rows, &shape]))
    }
}

/// What is added to scores, `[batch, 1, 1, sequence]`: nothing, or the least number that there is. A sequence of
/// nothing but hidden tokens sees all of them alike, as in transformers.
fn mask(network: &mut Network<'_>, attention_mask: &Value) -> Value {
    network.enter("attention_mask");
    let axes = network.ints(&[1, 2]);
    let mask = network.call("Unsqueeze", &[attention_mask, &axes]);
    let seen = network.call_with("Cast", &[&mask], vec![int("to", DataType::Bool as i64)]);
    let (nothing, least) = (network.float(0.0), network.float(f32::MIN));
    network.call("Where", &[&seen, &nothing, &least])
}

/// That a configuration asks for no other kind of attention.
///
/// # Errors
/// `Unsupported` naming the field.
pub(super) fn check_kind(position_embedding_type: Option<&str>, is_decoder: bool) -> Result<()> {
    let absolute = position_embedding_type.is_none_or(|kind| kind == "absolute");
    only("position_embedding_type", absolute, "absolute")?;
    only("is_decoder", !is_decoder, "false")
}
