//! Rewrites of a graph, in this order and for these reasons:
//!
//! 1. [`infer`]: what is known of every value, so that a model that can never run is refused when it loads;
//!    nodes whose inputs are all constant run here, once.
//! 2. [`dead`]: nodes and values that nobody uses any more go.

mod dead;
mod infer;

use crate::{error::Result, graph::Graph};

/// Runs every pass.
///
/// # Errors
/// `Invalid` naming the node that can never run.
pub(crate) fn run(graph: &mut Graph) -> Result<()> {
    infer::run(graph)?;
    dead::run(graph);
    Ok(())
}
