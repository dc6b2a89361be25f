//! Operators that keep elements in order under another shape, or as they are.

use super::super::scope::{Cause, Made, Scope, one};
use crate::{
    graph::{Node, SymDim},
    ops::{
        nn::dropout::Dropout,
        tensor::{
            identity::Identity,
            reshape::{Flatten, Reshape},
            squeeze::{Squeeze, Unsqueeze},
        },
    },
    passes::rewrite::operator,
};

pub(super) fn rule(scope: &mut Scope<'_>) -> Option<Made> {
    if scope.is_length(0) {
        return None;
    }
    if operator::<Identity>(scope.node).is_some() {
        return Some(scope.tensor(0).cloned().and_then(one));
    }
    if operator::<Dropout>(scope.node).is_some() && scope.same_from(1) {
        return Some(scope.tensor(0).cloned().and_then(one));
    }
    keeps_order(scope.node).then(|| reshaped(scope))
}

fn keeps_order(node: &Node) -> bool {
    operator::<Reshape>(node).is_some()
        || operator::<Flatten>(node).is_some()
        || operator::<Squeeze>(node).is_some()
        || operator::<Unsqueeze>(node).is_some()
}

fn reshaped(scope: &Scope<'_>) -> Made {
    const MIXED: Cause = "it puts places into one axis with others";
    let (tensor, by_length) = scope.given_a_shape()?;
    if tensor.axes.is_empty() && !by_length {
        return one(tensor.clone());
    }
    let (from, to) = (scope.shape(0)?, scope.made(0)?);
    let moved = tensor.moved(|axis| place(from, axis, to)).ok_or(MIXED)?;
    // What else is made of the length must follow from the number of elements.
    let unknown = to.iter().filter(|dim| **dim == SymDim::Unknown).count();
    let long = to.iter().filter(|dim| *dim == scope.dimension).count();
    if by_length && (unknown > 1 || long != moved.axes.len()) {
        return Err(MIXED);
    }
    one(moved)
}

/// The axis of `to` at which the elements along `axis` of `from` lie: of the same size, with as many elements behind.
fn place(from: &[SymDim], axis: usize, to: &[SymDim]) -> Option<usize> {
    let behind = product(&from[axis + 1..])?;
    (0..to.len()).find(|&at| to[at] == from[axis] && product(&to[at + 1..]).as_ref() == Some(&behind))
}

/// The product of sizes that are known, and the symbols beside it, in order.
fn product(dims: &[SymDim]) -> Option<(usize, Vec<&str>)> {
    let mut product = (1usize, Vec::new());
    for dim in dims {
        match dim {
            SymDim::Known(size) => product.0 = product.0.checked_mul(*size)?,
            SymDim::Symbol(name) => product.1.push(&**name),
            SymDim::Unknown => return None,
        }
    }
    product.1.sort_unstable();
    Some(product)
}
