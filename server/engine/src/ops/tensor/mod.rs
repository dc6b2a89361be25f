//! Shapes and places: what moves, selects, joins or makes elements without computing with them.

mod concat;
mod constant;
mod expand;
mod gather;
mod identity;
mod kernels;
mod non_zero;
mod one_hot;
mod pad;
mod params;
mod range;
mod reshape;
mod shape;
mod shapes;
mod slice;
mod split;
mod squeeze;
mod transpose;

use super::OpDef;

/// The family's operators, file by file.
pub(super) const OPS: &[&[OpDef]] = &[
    concat::OPS,
    constant::OPS,
    expand::OPS,
    gather::OPS,
    identity::OPS,
    non_zero::OPS,
    one_hot::OPS,
    pad::OPS,
    range::OPS,
    reshape::OPS,
    shape::OPS,
    slice::OPS,
    split::OPS,
    squeeze::OPS,
    transpose::OPS,
];
