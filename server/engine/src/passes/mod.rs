//! Rewrites of a graph, in this order and for these reasons:
//!
//! 1. [`infer`]: what is known of every value, so that a model that can never run is refused when it loads;
//!    nodes whose inputs are all constant run here, once ([`fold`]).
//! 2. [`dead`]: nodes and values that nobody uses any more go.
//! 3. [`widen`]: floats of 16 bits become f32, for which all rules that follow are written.
//! 4. [`fuse`]: patterns of several nodes become one fused operator, by rules of [`rewrite`].
//! 5. [`layout`]: images get channels innermost; then what follows a convolution becomes part of it.
//! 6. [`by_image`]: where maps are larger than weights, a batch's images go through one by one.
//!
//! For a GPU it is found out before anything is fused whether sequences may be padded ([`crate::padding`]), and
//! stages 4 to 6 are one: fused operators whose weights stay as the file has them.

mod by_image;
mod dead;
mod fold;
mod fuse;
mod infer;
mod layout;
pub(crate) mod rewrite;
mod widen;

use crate::{Target, Tuning, error::Result, graph::Graph, padding};

pub(crate) use fold::Folding;
pub(crate) use widen::half_of;

/// Where a graph stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It is the model: what can never run is refused.
    Model,
    /// It is a branch or a body, which may never be run: what can never run fails when it is run.
    Node,
}

/// Runs every pass.
///
/// # Errors
/// `Invalid` naming the node of a model that can never run.
pub(crate) fn run(graph: &mut Graph, place: Place, folding: &Folding, tuning: Tuning) -> Result<()> {
    infer::run(graph, place, folding)?;
    dead::run(graph);
    widen::run(graph, tuning.target)?;
    if tuning.target == Target::Gpu {
        graph.padding = padding::analyse(graph);
        fuse::run_for_gpu(graph)?;
        dead::run(graph);
        return Ok(());
    }
    fuse::run(graph)?;
    layout::run(graph, tuning.exactness)?;
    fuse::run_images(graph)?;
    dead::run(graph);
    by_image::run(graph)
}
