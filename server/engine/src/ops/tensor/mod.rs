//! Shapes and places: what moves, selects, joins or makes elements without computing with them.

mod compress;
pub(crate) mod concat;
pub(crate) mod constant;
mod crop_pad;
mod depth_space;
pub(crate) mod expand;
pub(crate) mod gather;
pub(crate) mod gather_elements;
pub(crate) mod identity;
mod kernels;
mod nms;
mod non_zero;
mod one_hot;
mod pad;
mod params;
pub(crate) mod range;
pub(crate) mod reshape;
pub(crate) mod resize;
mod reverse_sequence;
mod scatter;
pub(crate) mod shape;
pub(crate) mod shapes;
pub(crate) mod slice;
pub(crate) mod split;
pub(crate) mod squeeze;
mod tensor_scatter;
mod top_k;
pub(crate) mod transpose;
mod trilu;
mod unique;

pub use kernels::Walk;

use super::OpDef;

/// The family's operators, file by file.
pub(super) const OPS: &[&[OpDef]] = &[
    compress::OPS,
    concat::OPS,
    constant::OPS,
    crop_pad::OPS,
    depth_space::OPS,
    expand::OPS,
    gather::OPS,
    gather_elements::OPS,
    identity::OPS,
    nms::OPS,
    non_zero::OPS,
    one_hot::OPS,
    pad::OPS,
    range::OPS,
    reshape::OPS,
    resize::OPS,
    reverse_sequence::OPS,
    scatter::OPS,
    shape::OPS,
    slice::OPS,
    split::OPS,
    squeeze::OPS,
    tensor_scatter::OPS,
    top_k::OPS,
    transpose::OPS,
    trilu::OPS,
    unique::OPS,
];
