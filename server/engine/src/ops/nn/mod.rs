//! Networks: products, convolutions, pools, normalisations, activations over axes, recurrences.

mod attention;
pub(crate) mod average_pool;
mod axis_norm;
pub(crate) mod batch_norm;
mod broadcast;
pub(crate) mod conv;
pub(crate) mod conv_transpose;
pub(crate) mod dropout;
mod einsum;
pub(crate) mod gemm;
pub(crate) mod global_pool;
mod group_norm;
pub(crate) mod layer_norm;
mod loss;
mod lrn;
pub(crate) mod matmul;
pub(crate) mod max_pool;
pub(crate) mod real;
pub(crate) mod recurrent;
mod ring;
mod rotary;
mod vision;
pub(crate) mod window;

use super::OpDef;

/// The family's operators, file by file.
pub(super) const OPS: &[&[OpDef]] = &[
    attention::OPS,
    average_pool::OPS,
    axis_norm::OPS,
    batch_norm::OPS,
    conv::OPS,
    conv_transpose::OPS,
    dropout::OPS,
    einsum::OPS,
    gemm::OPS,
    global_pool::OPS,
    group_norm::OPS,
    layer_norm::OPS,
    loss::OPS,
    lrn::OPS,
    matmul::OPS,
    max_pool::OPS,
    recurrent::OPS,
    rotary::OPS,
    vision::affine_grid::OPS,
    vision::col2im::OPS,
    vision::deform_conv::OPS,
    vision::grid_sample::OPS,
    vision::max_unpool::OPS,
    vision::roi_align::OPS,
    vision::roi_pool::OPS,
];
