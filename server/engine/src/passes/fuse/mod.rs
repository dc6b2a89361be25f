//! Rules that put one fused operator in the place of several, stage by stage: a stage's rules are applied
//! until none matches any more before the next stage begins.

mod activation;
mod attention;
mod batch_norm;
mod conv;
mod expand;
mod formula;
mod gpu;
mod integer;
mod linear;
mod movement;
mod nbits;
mod noop;
mod norm;
mod recurrent;
mod rotary;
mod rows;
#[cfg(test)]
mod tests;

use super::rewrite::{self, Rule};
use crate::{error::Result, graph::Graph};

/// The stages, in order.
const STAGES: &[&[Rule]] = &[
    // Nodes that do nothing stand between the nodes of every pattern.
    &[noop::identity, noop::cast, noop::dropout, noop::concat, noop::transpose, movement::turn],
    &[integer::to_float, integer::bias],
    &[integer::pack, integer::pack_conv, nbits::pack],
    &[nbits::bias],
    &[movement::select_first, expand::later, expand::never, recurrent::pack],
    &[rotary::turned],
    &[attention::attention, attention::rows_first],
    &[attention::projection::one_product],
    &[norm::operator_of_rows, norm::spelled_out, norm::distributed],
    &[norm::scaled, norm::shifted],
    // Activations before what they follow, so that it finds one node.
    &[activation::clip, activation::hard_sigmoid, activation::gated],
    &[linear::matmul, linear::gemm],
    // A bias before what is added or applied after it.
    &[linear::bias],
    &[linear::residual, linear::activation],
    // A sum that no product has taken in.
    &[norm::of_sum],
    // What is affine by channel goes into the weights, once activations no longer look like it.
    &[batch_norm::into_weights],
];

/// The stages over images whose channels are innermost.
const IMAGES: &[&[Rule]] = &[
    // An addition of images must not be taken for anything before it has found its convolution.
    &[conv::residual, conv::activated, conv::affine, conv::scaled, conv::excited],
];

/// The stages for a GPU, in order.
const GPU_STAGES: &[&[Rule]] = &[
    &[noop::identity, noop::cast, noop::dropout, noop::concat, noop::transpose, movement::turn],
    &[movement::select_first, expand::later, expand::never],
    &[attention::attention, attention::rows_first],
    &[attention::projection::one_product],
    &[norm::operator_of_rows, norm::spelled_out, norm::distributed],
    &[norm::scaled, norm::shifted],
    &[activation::clip, activation::hard_sigmoid, activation::gated],
    &[gpu::product::matmul, gpu::product::gemm],
    &[gpu::product::bias],
    // A sum belongs to the normalisation after it, which reads it anyway; where there is none, to the product.
    &[norm::of_sum],
    &[gpu::product::bias_into_norm],
    &[gpu::product::residual, gpu::product::activation],
    &[gpu::embed::rows],
    &[batch_norm::into_weights],
    &[gpu::convolution::plain],
    &[gpu::convolution::residual, gpu::convolution::activation],
];

/// Runs every stage for a GPU.
///
/// # Errors
/// As [`run`].
pub(super) fn run_for_gpu(graph: &mut Graph) -> Result<()> {
    GPU_STAGES.iter().try_for_each(|rules| rewrite::run(graph, rules))
}

/// Runs every stage.
///
/// # Errors
/// Where a fused operator can never run on its inputs.
pub(super) fn run(graph: &mut Graph) -> Result<()> {
    STAGES.iter().try_for_each(|rules| rewrite::run(graph, rules))
}

/// Runs the stages that come after the layout's pass.
///
/// # Errors
/// As [`run`].
pub(super) fn run_images(graph: &mut Graph) -> Result<()> {
    IMAGES.iter().try_for_each(|rules| rewrite::run(graph, rules))
}
