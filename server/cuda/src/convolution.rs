//! A convolution of images, as asked for.

use crate::{Number, Pointer};

/// `out = activation(x * filters + addend + bias)`: images as `[batch, height, width, channels]` where
/// `channels_last`, else `[batch, channels, height, width]`; filters likewise, `[out, height, width, in / groups]` or
/// `[out, in / groups, height, width]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Images.
    pub batch: usize,
    /// Channels, height and width of an image.
    pub input: [usize; 3],
    /// Those of a result.
    pub output: [usize; 3],
    /// Height and width of a filter.
    pub kernel: [usize; 2],
    /// Places from one window to the next, down and across.
    pub strides: [usize; 2],
    /// Zeros above and to the left, and as many below and to the right.
    pub pads: [usize; 2],
    /// Places from one tap to the next.
    pub dilations: [usize; 2],
    /// Groups of channels.
    pub groups: usize,
    /// Whether channels lie side by side.
    pub channels_last: bool,
    /// The type of everything.
    pub number: Number,
    /// Whether the last step is max(x, 0).
    pub relu: bool,
}

/// A convolution with its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// Its sizes.
    pub shape: Shape,
    /// The images.
    pub input: Pointer,
    /// The filters.
    pub filters: Pointer,
    /// A number for each channel of the result.
    pub bias: Pointer,
    /// What is added, laid out as the result.
    pub addend: Option<Pointer>,
    /// The result.
    pub output: Pointer,
}
