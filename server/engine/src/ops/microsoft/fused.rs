//! Operators with a second one fused to them: `FusedMatMul`, `FusedConv`, `FusedGemm`; and `Trilu` and `Pad`,
//! which are ONNX's.

use crate::{
    error::{OpError, Result},
    onnx::NodeDef,
    ops::function::{Body, FunctionDef, float},
};

use super::swap::Swap;

pub(super) const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::microsoft("FusedMatMul", matmul),
    FunctionDef::microsoft("FusedConv", conv),
    FunctionDef::microsoft("FusedGemm", gemm),
    FunctionDef::microsoft("Trilu", |_, body| same("Trilu", body)),
    FunctionDef::microsoft("Pad", |_, body| same("Pad", body)),
];

/// alpha A' B'
fn matmul(node: &NodeDef<'_>, body: &mut Body<'_>) -> Result<()> {
    if node.flag("transBatchA", false)? || node.flag("transBatchB", false)? {
        return Err(OpError::unsupported("transBatchA and transBatchB are not supported"));
    }
    let turned = |body: &mut Body<'_>, i: usize, attribute: &str| {
        let input = body.input(i)?;
        Ok::<_, OpError>(if node.flag(attribute, false)? { body.own("Swap", Swap, &[&input]) } else { input })
    };
    let (a, b) = (turned(body, 0, "transA")?, turned(body, 1, "transB")?);
    let mut y = body.call("MatMul", &[&a, &b]);
    let alpha = node.float_or("alpha", 1.0)?;
    if alpha.to_bits() != 1f32.to_bits() {
        let alpha = body.number(alpha, &y, node.input_elem(0)?);
        y = body.call("Mul", &[&y, &alpha]);
    }
    body.give(0, &y);
    Ok(())
}

/// The activation of a convolution, plus what input 3 adds before it.
fn conv(node: &NodeDef<'_>, body: &mut Body<'_>) -> Result<()> {
    let attributes = body.attributes_but(&["activation", "activation_params"]);
    let mut y = body.call_with("Conv", &[&body.input(0)?, &body.input(1)?, &body.optional(2)], attributes);
    if node.has_input(3) {
        y = body.call("Add", &[&y, &body.input(3)?]);
    }
    let params = node.floats("activation_params")?.unwrap_or_default();
    let y = activated(node, body, y, &params)?;
    body.give(0, &y);
    Ok(())
}

fn gemm(node: &NodeDef<'_>, body: &mut Body<'_>) -> Result<()> {
    let names = ["activation", "activation_alpha", "activation_beta", "activation_gamma"];
    let attributes = body.attributes_but(&names);
    let inputs = [&body.input(0)?[..], &body.input(1)?, &body.optional(2)];
    let y = body.call_with("Gemm", &inputs, attributes);
    let params =
        names[1..].iter().map_while(|name| node.float(name).transpose()).collect::<Result<Vec<_>>>()?;
    let y = activated(node, body, y, &params)?;
    body.give(0, &y);
    Ok(())
}

/// `x` under the activation that the node names, with its parameters in order.
fn activated(node: &NodeDef<'_>, body: &mut Body<'_>, x: String, params: &[f32]) -> Result<String> {
    let name = node.string_or("activation", "")?;
    let wanted: &[&str] = match name {
        "" => return Ok(x),
        "Relu" | "Tanh" | "Sigmoid" | "Softplus" | "Softsign" | "HardSwish" => &[],
        "LeakyRelu" | "Elu" | "ThresholdedRelu" => &["alpha"],
        "HardSigmoid" => &["alpha", "beta"],
        "Clip" => return clipped(node, body, &x, params),
        other => return Err(OpError::unsupported(format!("activation '{other}' is not supported"))),
    };
    let attributes = wanted.iter().zip(params).map(|(name, &value)| float(name, value)).collect();
    Ok(body.call_with(name, &[&x], attributes))
}

fn clipped(node: &NodeDef<'_>, body: &mut Body<'_>, x: &str, params: &[f32]) -> Result<String> {
    let &[low, high] = params else {
        return Err(OpError::invalid(format!("Clip takes 2 activation parameters, got {}", params.len())));
    };
    let elem = node.input_elem(0)?;
    let (low, high) = (body.number(low, x, elem), body.number(high, x, elem));
    Ok(body.call("Clip", &[x, &low, &high]))
}

/// The operator of ONNX of this name.
fn same(op: &str, body: &mut Body<'_>) -> Result<()> {
    let inputs: Vec<String> = (0..body.inputs()).map(|i| body.optional(i)).collect();
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let y = body.call_with(op, &inputs, body.attributes_but(&[]));
    body.give(0, &y);
    Ok(())
}
