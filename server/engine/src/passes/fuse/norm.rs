//! Normalisations of rows, as operators and as exporters of older operator sets spell them: the deviation from
//! the mean, divided by the root of the mean of its square; what is multiplied and added afterwards; and sums
//! that only a normalisation reads.
//!
//! TensorFlow's exports distribute the factor: `x * f + (shift - mean * f)`.

use std::sync::Arc;

use super::rows::row;
use crate::{
    graph::{Node, SymDim, ValueId},
    ops::{
        fused::norm::{Norm, To},
        math::{
            binary::{arithmetic::Arithmetic, power::Pow},
            reduce::ops::Reduce,
            unary::{
                elementary::{Reciprocal, Sqrt},
                function::Each,
            },
        },
        nn::layer_norm::LayerNorm,
    },
    passes::rewrite::{Edit, View, operator},
    value::ElemType,
};

const NAME: &str = "Norm";

/// An operator of rows along the last axis, with fixed scale and shift.
pub(super) fn operator_of_rows(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let x = root.input(0)?;
    let (to, epsilon) = operator::<LayerNorm>(root)?.of_last_axis(view.shape(x)?.len())?;
    let [width] = view.constant(root.input(1)?)?.shape()[..] else { return None };
    let plain = Norm::plain(to, epsilon, width);
    let scaled = Norm { scale: row(view, root.input(1)?, width, 1)?.into(), ..plain };
    let norm = match root.input(2) {
        Some(shift) => Norm { shift: Some(row(view, shift, width, 1)?.into()), ..scaled },
        None => scaled,
    };
    put(view, root, edit, x, norm)
}

/// `deviation / root` or `deviation * factor`, or so with `x` itself.
pub(super) fn spelled_out(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let (a, b) = (root.input(0)?, root.input(1)?);
    let (numerator, spread) = match operator::<Arithmetic>(root)? {
        Arithmetic::Div => (a, Spread::of_root(view, b)?),
        Arithmetic::Mul => Spread::of_factor(view, b)
            .map(|spread| (a, spread))
            .or_else(|| Some((b, Spread::of_factor(view, a)?)))?,
        Arithmetic::Add | Arithmetic::Sub => return None,
    };
    let x = match spread.to {
        To::Moments => deviation(view, numerator)?,
        To::MeanSquare => numerator,
    };
    let width = width(view, x)?;
    (x == spread.x).then(|| put(view, root, edit, x, spread.norm(width)))?
}

/// `x * f + (shift - mean * f)`, where f is the factor or that times a scale.
pub(super) fn distributed(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let Arithmetic::Add = operator::<Arithmetic>(root)? else { return None };
    let product = |id: ValueId| match view.made_by::<Arithmetic>(id)? {
        (node, Arithmetic::Mul) => Some(node),
        _ => None,
    };
    let difference = |id: ValueId| match view.made_by::<Arithmetic>(id)? {
        (node, Arithmetic::Sub) => Some((node.input(0)?, product(node.input(1)?)?)),
        _ => None,
    };
    let (a, b) = (root.input(0)?, root.input(1)?);
    let (scaled, (shift, scaled_mean)) = [(a, b), (b, a)]
        .into_iter()
        .find_map(|(scaled, rest)| Some((product(scaled)?, difference(rest)?)))?;
    let factors = [(scaled.input(0)?, scaled.input(1)?), (scaled.input(1)?, scaled.input(0)?)];
    let (x, factor) = factors.into_iter().find(|&(x, factor)| {
        scaled_mean.other_input(factor).and_then(|mean| mean_of(view, mean)) == Some(x)
    })?;
    let width = width(view, x)?;
    let rank = view.shape(x)?.len();
    let (spread, scale) = Spread::of_factor(view, factor).map(|spread| (spread, None)).or_else(|| {
        let node = product(factor)?;
        let (a, b) = (node.input(0)?, node.input(1)?);
        let (spread, scale) = [(a, b), (b, a)]
            .into_iter()
            .find_map(|(factor, scale)| Some((Spread::of_factor(view, factor)?, scale)))?;
        Some((spread, Some(row(view, scale, width, rank)?)))
    })?;
    if spread.to != To::Moments || spread.x != x {
        return None;
    }
    let plain = spread.norm(width);
    let scale = scale.map_or_else(|| Arc::clone(&plain.scale), Arc::from);
    let shift = Some(row(view, shift, width, rank)?.into());
    put(view, root, edit, x, Norm { scale, shift, ..plain })
}

/// A normalisation multiplied with a fixed row.
pub(super) fn scaled(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let Arithmetic::Mul = operator::<Arithmetic>(root)? else { return None };
    let (node, norm, factors) = with_row(view, root)?;
    let scale = norm.scale.iter().zip(&factors).map(|(scale, factor)| scale * factor).collect();
    edit.node_into(NAME, Norm { scale, ..norm.clone() }, node.inputs.clone(), root.outputs.clone());
    Some(())
}

/// A fixed row added to a normalisation.
pub(super) fn shifted(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let Arithmetic::Add = operator::<Arithmetic>(root)? else { return None };
    let (node, norm, shift) = with_row(view, root)?;
    let norm = Norm { shift: Some(shift.into()), ..norm.clone() };
    edit.node_into(NAME, norm, node.inputs.clone(), root.outputs.clone());
    Some(())
}

/// A normalisation of a sum that nobody else reads.
pub(super) fn of_sum(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let norm = operator::<Norm>(root)?;
    let [Some(sum)] = root.inputs[..] else { return None };
    let (node, Arithmetic::Add) = view.made_by::<Arithmetic>(sum)? else { return None };
    if !view.is_private(sum) {
        return None;
    }
    edit.node_into(NAME, norm.clone(), node.inputs.clone(), root.outputs.clone());
    Some(())
}

/// What rows are divided by to be normalised.
struct Spread {
    /// The rows.
    x: ValueId,
    to: To,
    epsilon: f32,
}

impl Spread {
    /// `sqrt(moment + epsilon)`.
    fn of_root(view: &View<'_>, id: ValueId) -> Option<Self> {
        if let Some((node, _)) = view.made_by::<Each<Sqrt>>(id) {
            return Self::of_sum(view, node.input(0)?);
        }
        Self::of_power(view, id, 0.5)
    }

    /// 1 over such a root.
    fn of_factor(view: &View<'_>, id: ValueId) -> Option<Self> {
        if let Some((node, _)) = view.made_by::<Each<Reciprocal>>(id) {
            return Self::of_root(view, node.input(0)?);
        }
        if let Some((node, Arithmetic::Div)) = view.made_by::<Arithmetic>(id) {
            let one = view.scalar(node.input(0)?)? == 1.0;
            return one.then(|| Self::of_root(view, node.input(1)?))?;
        }
        Self::of_power(view, id, -0.5)
    }

    fn of_power(view: &View<'_>, id: ValueId, exponent: f32) -> Option<Self> {
        let (node, _) = view.made_by::<Pow>(id)?;
        (view.scalar(node.input(1)?)? == exponent).then(|| Self::of_sum(view, node.input(0)?))?
    }

    /// The mean of squares, and epsilon.
    fn of_sum(view: &View<'_>, id: ValueId) -> Option<Self> {
        let (node, Arithmetic::Add) = view.made_by::<Arithmetic>(id)? else { return None };
        let (a, b) = (node.input(0)?, node.input(1)?);
        let (moment, epsilon) =
            view.scalar(b).map(|epsilon| (a, epsilon)).or_else(|| Some((b, view.scalar(a)?)))?;
        let rooted = square(view, mean_of(view, moment)?)?;
        let (x, to) = deviation(view, rooted).map_or((rooted, To::MeanSquare), |x| (x, To::Moments));
        Some(Self { x, to, epsilon })
    }

    fn norm(&self, width: usize) -> Norm {
        Norm::plain(self.to, self.epsilon, width)
    }
}

/// What a value is the mean of, along the last axis, which stays.
fn mean_of(view: &View<'_>, id: ValueId) -> Option<ValueId> {
    let (node, reduce) = view.made_by::<Reduce>(id)?;
    let x = node.input(0)?;
    let rank = view.shape(x)?.len();
    let given = node.input(1).and_then(|axes| view.fact(axes).constant_ints());
    let (axes, keep) = reduce.mean_axes(given, rank)?;
    let [axis] = axes[..] else { return None };
    let last = axis == -1 || usize::try_from(axis).is_ok_and(|axis| axis + 1 == rank);
    (keep && last).then_some(x)
}

/// What a value is the distance from its mean of.
fn deviation(view: &View<'_>, id: ValueId) -> Option<ValueId> {
    let (node, Arithmetic::Sub) = view.made_by::<Arithmetic>(id)? else { return None };
    let x = node.input(0)?;
    (mean_of(view, node.input(1)?)? == x).then_some(x)
}

/// What a value is the square of.
fn square(view: &View<'_>, id: ValueId) -> Option<ValueId> {
    let node = view.maker(id)?;
    let (a, b) = (node.input(0)?, node.input(1)?);
    let is_square = match operator::<Arithmetic>(node) {
        Some(Arithmetic::Mul) => a == b,
        Some(_) => false,
        None => operator::<Pow>(node).is_some() && view.scalar(b) == Some(2.0),
    };
    is_square.then_some(a)
}

/// A normalisation without a shift that only the root reads, and the fixed row that the root joins it with.
fn with_row<'g>(view: &View<'g>, root: &Node) -> Option<(&'g Node, &'g Norm, Vec<f32>)> {
    let normalised = root.inputs.iter().flatten().copied().find(|&id| view.made_by::<Norm>(id).is_some())?;
    let (node, norm) = view.made_by::<Norm>(normalised)?;
    let rank = view.shape(normalised)?.len();
    let row = row(view, root.other_input(normalised)?, norm.scale.len(), rank)?;
    (norm.shift.is_none() && view.is_private(normalised)).then_some((node, norm, row))
}

fn width(view: &View<'_>, x: ValueId) -> Option<usize> {
    view.shape(x)?.last().and_then(SymDim::known).filter(|&width| width > 0)
}

/// Puts a normalisation of `x`, which is of f32, in the root's place.
fn put(view: &View<'_>, root: &Node, edit: &mut Edit, x: ValueId, norm: Norm) -> Option<()> {
    let made = root.only_output()?;
    let floats = view.elem(x)? == ElemType::F32 && view.elem(made)? == ElemType::F32;
    if !floats || norm.scale.is_empty() {
        return None;
    }
    edit.node_into(NAME, norm, [Some(x)], [Some(made)]);
    Some(())
}
