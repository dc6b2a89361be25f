//! Weights in the safetensors format: one file, or several and an index that says which tensor lies in which.
//!
//! Nothing is loaded but headers until a tensor is asked for. What is not exactly as the format says is refused:
//! <https://github.com/huggingface/safetensors#format>.

mod catalog;
mod header;
mod index;
mod read;

pub(crate) use catalog::Catalog;
pub(crate) use read::{Layout, text_beside};
