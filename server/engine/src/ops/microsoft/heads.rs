//! Attention over heads, as nodes: softmax(scale Q K' + mask + bias) V.

use crate::ops::function::{Body, ints};
use crate::value::ElemType;

use super::mask::Mask;

/// Queries, keys and values, `[batch, heads, places, size]`.
pub(super) struct Operands {
    pub(super) query: String,
    pub(super) key: String,
    pub(super) value: String,
}

/// What is done to the scores.
pub(super) struct Scoring {
    /// What they are multiplied by; `None` is one over the root of a head's size.
    pub(super) scale: Option<f32>,
    /// The operands' element type, where it is known.
    pub(super) elem: Option<ElemType>,
    pub(super) mask: Mask,
    /// What the mask is made from, as [`Mask`] has it; the last is empty where there is none.
    pub(super) mask_inputs: [String; 4],
    /// What is added; empty where nothing is.
    pub(super) bias: String,
}

/// `[batch, places, heads * size]` as `[batch, heads, places, size]`.
pub(super) fn split(body: &mut Body<'_>, x: &str, heads: i64) -> String {
    let shape = body.ints(&[0, 0, heads, -1]);
    let apart = body.call("Reshape", &[x, &shape]);
    body.call_with("Transpose", &[&apart], vec![ints("perm", &[0, 2, 1, 3])])
}

/// The result, `[batch, places, heads * size]`.
pub(super) fn attend(body: &mut Body<'_>, operands: &Operands, scoring: &Scoring) -> String {
    let turned = body.call_with("Transpose", &[&operands.key], vec![ints("perm", &[0, 1, 3, 2])]);
    let scores = body.call("MatMul", &[&operands.query, &turned]);
    let scale = scale(body, operands, scoring);
    let mut scores = body.call("Mul", &[&scores, &scale]);
    if scoring.mask.causal || !scoring.mask_inputs[Mask::GIVEN].is_empty() {
        let inputs = scoring.mask_inputs.each_ref().map(String::as_str);
        let mask = body.own("AttentionMask", scoring.mask, &inputs);
        scores = body.call("Add", &[&scores, &mask]);
    }
    if !scoring.bias.is_empty() {
        scores = body.call("Add", &[&scores, &scoring.bias]);
    }
    let weights = body.call("Softmax", &[&scores]);
    let mixed = body.call("MatMul", &[&weights, &operands.value]);
    let apart = body.call_with("Transpose", &[&mixed], vec![ints("perm", &[0, 2, 1, 3])]);
    let shape = body.ints(&[0, 0, -1]);
    body.call("Reshape", &[&apart, &shape])
}

fn scale(body: &mut Body<'_>, operands: &Operands, scoring: &Scoring) -> String {
    if let Some(scale) = scoring.scale {
        return body.number(scale, &operands.query, scoring.elem);
    }
    let size = body.call_with("Shape", &[&operands.query], vec![crate::ops::function::int("start", 3)]);
    let size = body.call("CastLike", &[&size, &operands.query]);
    let root = body.call("Sqrt", &[&size]);
    body.call("Reciprocal", &[&root])
}
