//! `Gelu`, `BiasGelu`, `FastGelu` and `QuickGelu`.

use crate::{
    error::Result,
    onnx::NodeDef,
    ops::function::{Body, FunctionDef, string},
};

pub(super) const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::microsoft("Gelu", gelu),
    FunctionDef::microsoft("BiasGelu", bias_gelu),
    FunctionDef::microsoft("FastGelu", fast_gelu),
    FunctionDef::microsoft("QuickGelu", quick_gelu),
];

fn gelu(_node: &NodeDef<'_>, body: &mut Body<'_>) -> Result<()> {
    let y = body.call("Gelu", &[&body.input(0)?]);
    body.give(0, &y);
    Ok(())
}

fn bias_gelu(_node: &NodeDef<'_>, body: &mut Body<'_>) -> Result<()> {
    let sum = body.call("Add", &[&body.input(0)?, &body.input(1)?]);
    let y = body.call("Gelu", &[&sum]);
    body.give(0, &y);
    Ok(())
}

/// The approximation by tanh.
fn fast_gelu(node: &NodeDef<'_>, body: &mut Body<'_>) -> Result<()> {
    let mut x = body.input(0)?;
    if node.has_input(1) {
        x = body.call("Add", &[&x, &body.input(1)?]);
    }
    let y = body.call_with("Gelu", &[&x], vec![string("approximate", "tanh")]);
    body.give(0, &y);
    Ok(())
}

/// x sigmoid(alpha x)
fn quick_gelu(node: &NodeDef<'_>, body: &mut Body<'_>) -> Result<()> {
    let x = body.input(0)?;
    let alpha = body.number(node.float_or("alpha", 1.702)?, &x, node.input_elem(0)?);
    let scaled = body.call("Mul", &[&x, &alpha]);
    let gate = body.call("Sigmoid", &[&scaled]);
    let y = body.call("Mul", &[&x, &gate]);
    body.give(0, &y);
    Ok(())
}
