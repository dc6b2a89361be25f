//! Activations that files spell out: GELU by erf or tanh, SiLU, Mish, HardSwish, HardSigmoid, in whatever
//! order an exporter multiplies; and clipping to bounds that the model fixes.
//!
//! Most are `constant * x * gate(polynomial of x)`. The product is taken apart into its factors, and the
//! gate's argument is worked out as a polynomial, so that one rule knows every spelling.

use girandole_kernels::math::Function;

use super::formula::{Polynomial, Product};
use crate::{
    graph::{Node, ValueId},
    ops::{
        fused::activation::Activation,
        math::{binary::arithmetic::Arithmetic, unary::clip::Clip},
    },
    passes::rewrite::{Edit, View, operator},
    value::ElemType,
};

/// `Clip` with fixed bounds.
pub(super) fn clip(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let x = root.input(0)?;
    let function = bounds(view, root)?;
    activate(view, root, edit, x, function)
}

/// `constant * clip(line)`.
pub(super) fn hard_sigmoid(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let product = Product::of(view, root)?;
    let [clipped] = product.factors[..] else { return None };
    let node = view.maker(clipped)?;
    let Function::Clip { low, high } = fixed_bounds(view, node)? else { return None };
    let (x, line) = Polynomial::of_unknown(view, node.input(0)?)?;
    let scale = product.constant;
    let [offset, slope, ..] = line.scaled(scale);
    if low != 0.0 || !near(view, f64::from(high) * scale, 1.0) || !line.is_line() {
        return None;
    }
    let function = Function::HardSigmoid { slope: slope as f32, offset: offset as f32 };
    activate(view, root, edit, x, function)
}

/// `constant * x * gate(x)`.
pub(super) fn gated(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let product = Product::of(view, root)?;
    let [a, b] = product.factors[..] else { return None };
    let (x, function) = [(a, b), (b, a)]
        .into_iter()
        .find_map(|(x, gate)| Some((x, gate_of(view, x, gate, product.constant)?)))?;
    activate(view, root, edit, x, function)
}

/// The function that `constant * x * gate` is.
fn gate_of(view: &View<'_>, x: ValueId, gate: ValueId, constant: f64) -> Option<Function> {
    let node = view.maker(gate)?;
    if let Some(whole) = whole_gate(view, x, node) {
        return near(view, constant, 1.0).then_some(whole);
    }
    if let Some(Function::Clip { low: 0.0, high }) = fixed_bounds(view, node) {
        let line = Polynomial::of(view, node.input(0)?, x)?.scaled(constant);
        let swish = near(view, line[0], 0.5) && near(view, line[1], 1.0 / 6.0) && line[2..] == [0.0, 0.0];
        return (swish && near(view, f64::from(high) * constant, 1.0)).then_some(Function::HardSwish);
    }
    half_gate(view, x, gate).filter(|_| near(view, constant, 0.5))
}

/// Gates between 0 and 1: those of SiLU, HardSwish and Mish.
fn whole_gate(view: &View<'_>, x: ValueId, gate: &Node) -> Option<Function> {
    let argument = gate.input(0)?;
    match gate.op.function()? {
        Function::Sigmoid => {
            let line = Polynomial::of(view, argument, x)?;
            let [0.0, scale, ..] = line.0 else { return None };
            line.is_line().then_some(Function::Silu { scale: scale as f32 })
        }
        Function::HardSigmoid { slope, offset } => {
            let swish = near(view, f64::from(slope), 1.0 / 6.0) && offset == 0.5;
            (swish && argument == x).then_some(Function::HardSwish)
        }
        Function::Tanh => {
            let inner = view.maker(argument)?;
            let mish = inner.op.function()? == Function::Softplus && inner.input(0)? == x;
            mish.then_some(Function::Mish)
        }
        _ => None,
    }
}

/// Gates between 0 and 2, `1 + f`: those of GELU.
fn half_gate(view: &View<'_>, x: ValueId, gate: ValueId) -> Option<Function> {
    let node = view.maker(gate)?;
    if *operator::<Arithmetic>(node)? != Arithmetic::Add {
        return None;
    }
    let (inner, one) = [(0, 1), (1, 0)]
        .into_iter()
        .find_map(|(a, b)| Some((node.input(a)?, view.scalar(node.input(b)?)?)))?;
    let inner = view.maker(inner)?;
    let argument = Polynomial::of(view, inner.input(0)?, x)?;
    let slope = 2.0f64.sqrt() / std::f64::consts::PI.sqrt();
    let (expected, function) = match inner.op.function()? {
        Function::Erf => ([0.0, std::f64::consts::FRAC_1_SQRT_2, 0.0, 0.0], Function::Gelu),
        Function::Tanh => ([0.0, slope, 0.0, slope * 0.044_715], Function::GeluTanh),
        _ => return None,
    };
    let fits = argument.0.iter().zip(expected).all(|(&came, expected)| near(view, came, expected));
    (one == 1.0 && fits).then_some(function)
}

/// Puts the function of `x` in the root's place, where both are of f32 and no constant has added axes.
fn activate(view: &View<'_>, root: &Node, edit: &mut Edit, x: ValueId, function: Function) -> Option<()> {
    let made = root.only_output()?;
    let same_rank = view.shape(x)?.len() == view.shape(made)?.len();
    if view.elem(x)? != ElemType::F32 || view.elem(made)? != ElemType::F32 || !same_rank {
        return None;
    }
    edit.node_into("Activation", Activation(function), [Some(x)], root.outputs.clone());
    Some(())
}

/// The bounds of a `Clip` that the model fixes.
fn bounds(view: &View<'_>, node: &Node) -> Option<Function> {
    let clip = operator::<Clip>(node)?;
    let bound = |i: usize, attribute: Option<f32>, none: f32| match node.input(i) {
        Some(id) => view.scalar(id),
        None => Some(attribute.unwrap_or(none)),
    };
    let low = bound(1, clip.min, f32::NEG_INFINITY)?;
    let high = bound(2, clip.max, f32::INFINITY)?;
    Some(Function::Clip { low, high })
}

/// The bounds that a node clips to, whether this pass has seen it or not.
fn fixed_bounds(view: &View<'_>, node: &Node) -> Option<Function> {
    node.op
        .function()
        .filter(|function| matches!(function, Function::Clip { .. }))
        .or_else(|| bounds(view, node))
}

/// Equal but for a constant's rounding.
fn near(view: &View<'_>, came: f64, expected: f64) -> bool {
    (came - expected).abs() <= view.rounding() * expected.abs()
}
