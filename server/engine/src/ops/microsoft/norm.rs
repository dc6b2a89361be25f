//! `SimplifiedLayerNormalization` (which ONNX Runtime writes into ONNX's own domain), and layer
//! normalization of a sum: `SkipLayerNormalization` and `SkipSimplifiedLayerNormalization`.

use crate::{
    error::{OpError, Result},
    onnx::NodeDef,
    ops::{
        Domain,
        function::{Body, FunctionDef, float, int},
    },
};

pub(super) const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef { domain: Domain::Onnx, name: "SimplifiedLayerNormalization", expand: simplified },
    FunctionDef::microsoft("SimplifiedLayerNormalization", simplified),
    FunctionDef::microsoft("SkipLayerNormalization", skip),
    FunctionDef::microsoft("SkipSimplifiedLayerNormalization", skip_simplified),
];

fn simplified(node: &NodeDef<'_>, body: &mut Body<'_>) -> Result<()> {
    no_statistics(node, 1..2)?;
    let attributes =
        vec![int("axis", node.int_or("axis", -1)?), float("epsilon", node.float_or("epsilon", 1e-5)?)];
    let y = body.call_with("RMSNormalization", &[&body.input(0)?, &body.input(1)?], attributes);
    body.give(0, &y);
    Ok(())
}

fn skip(node: &NodeDef<'_>, body: &mut Body<'_>) -> Result<()> {
    let sum = sum(body, 4)?;
    let inputs = [&sum[..], &body.input(2)?, &body.optional(3)];
    // Statistics that nobody asks for would keep the normalisation from its kernel.
    let outputs = if node.has_output(1) || node.has_output(2) { 3 } else { 1 };
    let made = body.many("LayerNormalization", &inputs, last_axis(node)?, outputs);
    made.iter().enumerate().for_each(|(i, value)| body.give(i, value));
    body.give(3, &sum);
    Ok(())
}

fn skip_simplified(node: &NodeDef<'_>, body: &mut Body<'_>) -> Result<()> {
    no_statistics(node, 1..3)?;
    let sum = sum(body, 3)?;
    let y = body.call_with("RMSNormalization", &[&sum, &body.input(2)?], last_axis(node)?);
    body.give(0, &y);
    body.give(3, &sum);
    Ok(())
}

/// The input, what is skipped to, and the bias that input `bias` is.
fn sum(body: &mut Body<'_>, bias: usize) -> Result<String> {
    let mut input = body.input(0)?;
    let bias = body.optional(bias);
    // First, so that a product before it takes it in.
    if !bias.is_empty() {
        input = body.call("Add", &[&input, &bias]);
    }
    Ok(body.call("Add", &[&input, &body.input(1)?]))
}

fn last_axis(node: &NodeDef<'_>) -> Result<Vec<girandole_proto::onnx::AttributeProto>> {
    Ok(vec![int("axis", -1), float("epsilon", node.float_or("epsilon", 1e-12)?)])
}

fn no_statistics(node: &NodeDef<'_>, mut outputs: std::ops::Range<usize>) -> Result<()> {
    match outputs.find(|&i| node.has_output(i)) {
        Some(i) => Err(OpError::unsupported(format!("output {i} is not supported"))),
        None => Ok(()),
    }
}
