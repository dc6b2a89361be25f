//! Pools of images whose channels lie innermost (NHWC), and products with one number for each channel.

mod affine;
mod global;
mod scale;
mod windows;

pub use affine::affine;
pub use global::mean;
pub use scale::scale;
pub use windows::{Pooling, pool};
