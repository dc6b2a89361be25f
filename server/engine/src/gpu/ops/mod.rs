//! Operators on a GPU: one trait, one look-up, a file for each family of kernels.
//!
//! An operator's attributes stay where the processor's implementation keeps them; an implementation here looks at
//! them once, when the program is made, and at shapes and strides in each run. What it has no kernel for it leaves
//! to the host by answering `None`, before it has launched anything.

mod attention;
mod convolution;
mod embed;
mod gather;
mod image;
mod join;
mod matmul;
mod movement;
mod norm;
mod pointwise;
mod product;
mod recurrent;
mod reduce;
mod softmax;

use std::fmt::Debug;

use smallvec::{SmallVec, smallvec};

use super::{
    context::Context,
    tensor::{DeviceTensor, Held},
};
use crate::{
    error::{OpError, Result},
    graph::Node,
};

/// What a step makes.
pub(crate) type Made = SmallVec<[Held; 2]>;

/// An operator with kernels.
pub(crate) trait DeviceOp: Debug + Send + Sync {
    /// Puts its kernels into the context's queue; `None` where these inputs are for the host.
    ///
    /// # Errors
    /// `Invalid` where the inputs do not fit; what the device says.
    fn run(&self, context: &Context, inputs: &Given<'_>) -> Result<Option<Made>>;
}

/// What a step takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given<'a>(pub(crate) &'a [Option<Held>]);

impl<'a> Given<'a> {
    /// Input `i`, where it is given.
    pub(crate) fn get(&self, i: usize) -> Option<&'a Held> {
        self.0.get(i)?.as_ref()
    }

    /// Input `i`.
    pub(crate) fn held(&self, i: usize) -> Result<&'a Held> {
        self.get(i).ok_or_else(|| OpError::invalid(format!("input {i} is missing")))
    }

    /// Input `i` on the device; `None` where kernels do not take its type.
    pub(crate) fn device(&self, context: &Context, i: usize) -> Result<Option<DeviceTensor>> {
        context.device(self.held(i)?)
    }

    /// Input `i` on the device, where it is given and of the type of `like`.
    pub(crate) fn like(
        &self,
        context: &Context,
        i: usize,
        like: &DeviceTensor,
    ) -> Result<Option<DeviceTensor>> {
        let Some(held) = self.get(i) else { return Ok(None) };
        Ok(context.device(held)?.filter(|tensor| tensor.dtype == like.dtype))
    }

    /// The integers of input `i`, where the host has them.
    pub(crate) fn ints(&self, i: usize) -> Option<Vec<i64>> {
        self.get(i)?.host()?.tensor().ok()?.to_ints().ok()
    }
}

/// One tensor as what a step makes.
pub(crate) fn one(tensor: DeviceTensor) -> Result<Option<Made>> {
    Ok(Some(smallvec![Held::Device(tensor)]))
}

/// Looks a node up in a family.
type Find = fn(usize, &Node) -> Option<Box<dyn DeviceOp>>;

/// The implementation of a node, where there is one.
pub(crate) fn find(step: usize, node: &Node) -> Option<Box<dyn DeviceOp>> {
    const FAMILIES: &[Find] = &[
        pointwise::find,
        movement::find,
        join::find,
        gather::find,
        reduce::find,
        softmax::find,
        norm::find,
        matmul::find,
        product::find,
        embed::find,
        attention::find,
        recurrent::find,
        convolution::find,
        image::find,
    ];
    FAMILIES.iter().find_map(|family| family(step, node))
}

/// A boxed implementation.
fn boxed(op: impl DeviceOp + 'static) -> Option<Box<dyn DeviceOp>> {
    Some(Box::new(op))
}
