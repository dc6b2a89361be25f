//! Arithmetic, comparison, logic, reductions and conversions, element by element or along axes.
//!
//! Every loop stands on one of few kernels: [`parallel`] maps, [`broadcast`] zips, `reduce` folds.

pub(crate) mod axes;
pub(crate) mod binary;
pub(crate) mod broadcast;
pub(crate) mod cast;
pub(crate) mod cumulative;
mod det;
pub(crate) mod extremum;
pub(crate) mod facts;
pub(crate) mod number;
mod parallel;
mod quantize;
mod random;
pub(crate) mod reduce;
mod signal;
pub(crate) mod softmax;
pub(crate) mod unary;
mod wide;

use super::OpDef;

/// The family's operators, file by file.
pub(super) const OPS: &[&[OpDef]] = &[
    unary::activation::OPS,
    unary::clip::OPS,
    unary::elementary::OPS,
    unary::integral::OPS,
    unary::parametric::OPS,
    unary::predicate::OPS,
    binary::arithmetic::OPS,
    binary::bits::OPS,
    binary::compare::OPS,
    binary::logic::OPS,
    binary::modulo::OPS,
    binary::power::OPS,
    binary::prelu::OPS,
    binary::select::OPS,
    binary::variadic::OPS,
    cast::ops::OPS,
    cumulative::OPS,
    det::OPS,
    extremum::OPS,
    quantize::dequantize::OPS,
    quantize::dynamic::OPS,
    quantize::linear::OPS,
    random::OPS,
    reduce::ops::OPS,
    signal::dft::OPS,
    signal::mel::OPS,
    signal::stft::OPS,
    signal::window::OPS,
    softmax::OPS,
];
