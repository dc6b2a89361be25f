//! `EmbedLayerNormalization`: the sum of word, position and segment embeddings, normalised.

use girandole_proto::onnx::tensor_proto::DataType;

use crate::{
    error::Result,
    onnx::NodeDef,
    ops::function::{Body, FunctionDef, float, int},
};

pub(super) const FUNCTIONS: &[FunctionDef] = &[FunctionDef::microsoft("EmbedLayerNormalization", expand)];

fn expand(node: &NodeDef<'_>, body: &mut Body<'_>) -> Result<()> {
    let ids = body.input(0)?;
    let words = body.call("Gather", &[&body.input(2)?, &ids]);
    let positions = positions(node, body, &ids)?;
    let mut sum = body.call("Add", &[&words, &positions]);
    if node.has_input(1) {
        let segments = body.call("Gather", &[&body.input(4)?, &body.input(1)?]);
        sum = body.call("Add", &[&sum, &segments]);
    }
    let attributes = vec![int("axis", -1), float("epsilon", node.float_or("epsilon", 1e-12)?)];
    let y = body.call_with("LayerNormalization", &[&sum, &body.input(5)?, &body.optional(6)], attributes);
    body.give(0, &y);
    if node.has_output(1) {
        let index = mask_index(node, body, &ids)?;
        body.give(1, &index);
    }
    body.give(2, &sum);
    Ok(())
}

/// The embeddings of the positions given, or of the first as many as there are words.
fn positions(node: &NodeDef<'_>, body: &mut Body<'_>, ids: &str) -> Result<String> {
    let table = body.input(3)?;
    if node.has_input(8) {
        return Ok(body.call("Gather", &[&table, &body.input(8)?]));
    }
    let length = body.call_with("Shape", &[ids], vec![int("start", 1), int("end", 2)]);
    let zero = body.ints(&[0]);
    Ok(body.call("Slice", &[&table, &zero, &length, &zero]))
}

/// How many words of each row count; none do where there is no mask.
fn mask_index(node: &NodeDef<'_>, body: &mut Body<'_>, ids: &str) -> Result<String> {
    let axis = body.ints(&[1]);
    let to_i32 = vec![int("to", DataType::Int32 as i64)];
    let counted = if node.has_input(7) {
        body.call_with("Cast", &[&body.input(7)?], to_i32)
    } else {
        let words = body.call_with("Cast", &[ids], to_i32);
        body.call("Sub", &[&words, &words])
    };
    Ok(body.call_with("ReduceSum", &[&counted, &axis], vec![int("keepdims", 0)]))
}
