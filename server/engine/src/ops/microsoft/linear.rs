//! Operators over quantized values: `QLinearAdd`, `QLinearMul`, `QLinearSigmoid`, `QLinearLeakyRelu`,
//! `QLinearSoftmax`, `QLinearAveragePool`, `QLinearGlobalAveragePool`, `QLinearConcat`, `QGemm`. Each is
//! dequantization, the operator of floats, quantization.

use girandole_proto::onnx::AttributeProto;

use crate::{
    error::{OpError, Result},
    onnx::NodeDef,
    ops::function::{Body, FunctionDef, int},
};

pub(super) const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::microsoft("QLinearAdd", |_, body| binary("Add", body)),
    FunctionDef::microsoft("QLinearMul", |_, body| binary("Mul", body)),
    FunctionDef::microsoft("QLinearSigmoid", |_, body| unary("Sigmoid", body, Vec::new())),
    FunctionDef::microsoft("QLinearLeakyRelu", |_, body| {
        let attributes = body.attributes_but(&[]);
        unary("LeakyRelu", body, attributes)
    }),
    FunctionDef::microsoft("QLinearSoftmax", softmax),
    FunctionDef::microsoft("QLinearAveragePool", |node, body| pool("AveragePool", node, body)),
    FunctionDef::microsoft("QLinearGlobalAveragePool", |node, body| pool("GlobalAveragePool", node, body)),
    FunctionDef::microsoft("QLinearConcat", concat),
    FunctionDef::microsoft("QGemm", gemm),
];

/// Input `i`, whose scale and zero point follow it, as floats.
fn dequantized(body: &mut Body<'_>, i: usize) -> Result<String> {
    let (scale, zero) = (body.input(i + 1)?, body.optional(i + 2));
    Ok(body.call("DequantizeLinear", &[&body.input(i)?, &scale, &zero]))
}

/// Output 0 is `y` on the grid of input `i` and the one after it.
fn give_quantized(body: &mut Body<'_>, y: &str, i: usize) -> Result<()> {
    let (scale, zero) = (body.input(i)?, body.optional(i + 1));
    let quantized = body.call("QuantizeLinear", &[y, &scale, &zero]);
    body.give(0, &quantized);
    Ok(())
}

fn unary(op: &str, body: &mut Body<'_>, attributes: Vec<AttributeProto>) -> Result<()> {
    let x = dequantized(body, 0)?;
    let y = body.call_with(op, &[&x], attributes);
    give_quantized(body, &y, 3)
}

fn binary(op: &str, body: &mut Body<'_>) -> Result<()> {
    let (a, b) = (dequantized(body, 0)?, dequantized(body, 3)?);
    let y = body.call(op, &[&a, &b]);
    give_quantized(body, &y, 6)
}

/// Before operator set 13 a softmax was taken over all dimensions from the axis on.
fn softmax(node: &NodeDef<'_>, body: &mut Body<'_>) -> Result<()> {
    let before_13 = node.required_int("opset")? < 13;
    let axis = node.int_or("axis", if before_13 { 1 } else { -1 })?;
    if !before_13 || axis == -1 {
        return unary("Softmax", body, vec![int("axis", axis)]);
    }
    let x = dequantized(body, 0)?;
    let shape = body.call("Shape", &[&x]);
    let rows = body.call_with("Flatten", &[&x], vec![int("axis", axis)]);
    let rows = body.call_with("Softmax", &[&rows], vec![int("axis", -1)]);
    let y = body.call("Reshape", &[&rows, &shape]);
    give_quantized(body, &y, 3)
}

fn pool(op: &str, node: &NodeDef<'_>, body: &mut Body<'_>) -> Result<()> {
    if node.flag("channels_last", false)? {
        return Err(OpError::unsupported("channels_last is not supported"));
    }
    let attributes = body.attributes_but(&["channels_last"]);
    unary(op, body, attributes)
}

/// The inputs come in threes after the result's scale and zero point.
fn concat(_node: &NodeDef<'_>, body: &mut Body<'_>) -> Result<()> {
    if body.inputs() < 5 || !(body.inputs() - 2).is_multiple_of(3) {
        return Err(OpError::invalid(format!("{} inputs are not 2 and threes", body.inputs())));
    }
    let parts = (2..body.inputs()).step_by(3).map(|i| dequantized(body, i)).collect::<Result<Vec<_>>>()?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let attributes = body.attributes_but(&[]);
    let y = body.call_with("Concat", &parts, attributes);
    give_quantized(body, &y, 0)
}

/// The bias counts in units of both scales; without a scale the result stays a float.
fn gemm(node: &NodeDef<'_>, body: &mut Body<'_>) -> Result<()> {
    let a = dequantized(body, 0)?;
    let turned = node.flag("transB", false)?;
    let grid = [body.input(3)?, body.input(4)?, body.optional(5)];
    let b = body.call_with(
        "DequantizeLinear",
        &[&grid[0], &grid[1], &grid[2]],
        vec![int("axis", i64::from(!turned))],
    );
    let mut bias = String::new();
    if node.has_input(6) {
        let unit = body.call("Mul", &[&body.input(1)?, &grid[1]]);
        let counted = body.call("CastLike", &[&body.input(6)?, &unit]);
        bias = body.call("Mul", &[&counted, &unit]);
    }
    let attributes = body.attributes_but(&[]);
    let y = body.call_with("Gemm", &[&a, &b, &bias], attributes);
    if node.has_input(7) {
        return give_quantized(body, &y, 7);
    }
    body.give(0, &y);
    Ok(())
}
