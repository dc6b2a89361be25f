//! Networks: products, convolutions, pools, normalisations, activations over axes, recurrences.

pub(crate) mod average_pool;
pub(crate) mod batch_norm;
mod broadcast;
pub(crate) mod conv;
pub(crate) mod conv_transpose;
mod dropout;
pub(crate) mod gemm;
pub(crate) mod global_pool;
mod group_norm;
pub(crate) mod layer_norm;
pub(crate) mod matmul;
pub(crate) mod max_pool;
pub(crate) mod real;
pub(crate) mod recurrent;
pub(crate) mod window;

use super::OpDef;

/// The family's operators, file by file.
pub(super) const OPS: &[&[OpDef]] = &[
    average_pool::OPS,
    batch_norm::OPS,
    conv::OPS,
    conv_transpose::OPS,
    dropout::OPS,
    gemm::OPS,
    global_pool::OPS,
    group_norm::OPS,
    layer_norm::OPS,
    matmul::OPS,
    max_pool::OPS,
    recurrent::OPS,
];
