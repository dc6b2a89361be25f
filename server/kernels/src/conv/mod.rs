//! Convolutions of f32 with weights that are made ready once: channels lie innermost (NHWC), so that a vector
//! holds neighbouring channels and no kernel has edge cases along a row.
//!
//! Every convolution is of three axes; missing leading ones have size 1. Layouts: input
//! `[batch, places, channels]`, output `[batch, outputs, channels]`; weights come as ONNX has them,
//! `[out channels, in channels / groups, taps]`.

mod block;
mod blocks;
mod depthwise;
mod finish;
mod mixed;
mod panels;
mod planes;
#[cfg(test)]
pub(crate) mod reference;
pub(crate) mod taps;
mod winograd;

pub use blocks::{Blocks, Grid};
pub use depthwise::Depthwise;
pub(crate) use finish::Early;
pub use finish::Finish;
pub use mixed::{Filters, Mixed};
pub use planes::Planes;
pub use winograd::{Form, Winograd};

use crate::window::{self, Window};

/// The sizes of one application of a convolution or a pool.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Images.
    pub batch: usize,
    /// The window over each image.
    pub window: Window,
}

impl Sizes {
    /// Input places of one image.
    pub(crate) fn places(&self) -> usize {
        window::inputs(&self.window)
    }

    /// Outputs of one image.
    pub(crate) fn outputs(&self) -> usize {
        window::outputs(&self.window)
    }

    /// Rows of outputs: of all images, along the last axis.
    pub(crate) fn rows(&self) -> usize {
        self.batch * self.window[0].output * self.window[1].output
    }
}
