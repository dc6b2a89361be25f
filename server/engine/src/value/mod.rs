//! What flows between nodes: tensors over candle's storage, sequences, maps and optionals.

mod dispatch;
mod elem;
mod element;
mod mini;
mod tensor;
mod view;
mod wire;

use std::sync::Arc;

pub(crate) use dispatch::dispatch;
pub use elem::ElemType;
pub use element::{Bool, Element, Text};
pub use mini::{Mini, Overflow, Rounding, encode_power};
pub use tensor::{Data, Tensor, checked_len};
pub use view::View;
pub use wire::{from_parts, from_reader, to_wire};

use crate::error::{OpError, Result};

/// A value of ONNX; clones share the contents.
#[derive(Clone, Debug)]
pub enum Value {
    /// A tensor.
    Tensor(Tensor),
    /// A sequence of values.
    Sequence(Arc<Vec<Value>>),
    /// Maps of one row each, as `ZipMap` makes them: the common keys and, row by row, their values.
    Maps(Arc<Maps>),
    /// An optional value.
    Optional(Option<Arc<Value>>),
}

/// A sequence of maps with common keys, kept as two tensors (which is how clients get it).
#[derive(Clone, Debug)]
pub struct Maps {
    /// The keys, `[K]`.
    pub keys: Tensor,
    /// The values, `[rows, K]`.
    pub values: Tensor,
}

impl Maps {
    /// The keys once for each row, `[rows, K]`.
    ///
    /// # Errors
    /// `TooLarge` where that is.
    pub fn keys_by_row(&self) -> Result<Tensor> {
        let shape = self.values.shape().clone();
        let rows = shape.first().copied().unwrap_or(0);
        dispatch!(self.keys.elem(), Any, T => {
            checked_len::<T>(&shape)?;
            let keys = self.keys.view::<T>()?;
            let all = std::iter::repeat_n(&keys[..], rows).flatten().cloned().collect();
            Tensor::from_vec(shape, all)
        })
    }
}

impl Value {
    /// The tensor in it.
    ///
    /// # Errors
    /// `Invalid` for anything else.
    pub fn tensor(&self) -> Result<&Tensor> {
        match self {
            Self::Tensor(tensor) => Ok(tensor),
            other => Err(OpError::invalid(format!("expected a tensor, got {}", other.kind()))),
        }
    }

    /// What it is, for messages.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Tensor(_) => "a tensor",
            Self::Sequence(_) => "a sequence",
            Self::Maps(_) => "a sequence of maps",
            Self::Optional(_) => "an optional",
        }
    }
}

impl From<Tensor> for Value {
    fn from(tensor: Tensor) -> Self {
        Self::Tensor(tensor)
    }
}
