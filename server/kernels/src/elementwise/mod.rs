//! Loops over the elements or rows of a tensor that are bound by memory or by mathematics.

mod softmax;

pub use softmax::{log_softmax, softmax};
