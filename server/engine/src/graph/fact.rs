//! What is known of a value before any run: element type, dimensions by number or symbol, and contents
//! where the model fixes them.

use std::sync::Arc;

use girandole_core::Shape;

use crate::value::{ElemType, Tensor, Value};

/// Begins the symbols of the engine's own; no exporter writes it.
const ANONYMOUS: char = '\0';

/// A dimension as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SymDim {
    /// This size.
    Known(usize),
    /// The size that this symbol stands for, the same wherever it appears.
    Symbol(Arc<str>),
    /// Any size.
    Unknown,
}

impl SymDim {
    /// A symbol of the engine's own, for a dimension that the file leaves without a name.
    pub fn anonymous(value: &str, axis: usize) -> Self {
        Self::Symbol(format!("{ANONYMOUS}{value}.{axis}").into())
    }

    /// The name that the file gives the dimension.
    pub fn name(&self) -> Option<&Arc<str>> {
        match self {
            Self::Symbol(name) if !name.starts_with(ANONYMOUS) => Some(name),
            _ => None,
        }
    }

    /// The size, where it is known.
    pub const fn known(&self) -> Option<usize> {
        match self {
            Self::Known(size) => Some(*size),
            _ => None,
        }
    }
}

/// Dimensions as far as they are known.
pub type SymShape = Vec<SymDim>;

/// What is known of a value. The default knows nothing.
#[derive(Clone, Debug, Default)]
pub struct Fact {
    /// The element type of a tensor.
    pub elem: Option<ElemType>,
    /// The dimensions of a tensor.
    pub shape: Option<SymShape>,
    /// The contents of a small integer tensor of rank 0 or 1 that describes a shape, dimension by
    /// dimension, where each is known or a symbol.
    pub dims: Option<SymShape>,
    /// The contents, where the model fixes them.
    pub constant: Option<Value>,
    /// The type of the keys of a sequence of maps; `elem` and `shape` are then those of its values,
    /// `[rows, K]`.
    pub map_keys: Option<ElemType>,
}

impl Fact {
    /// A tensor of this type and these dimensions.
    pub fn tensor(elem: Option<ElemType>, shape: Option<SymShape>) -> Self {
        Self { elem, shape, ..Self::default() }
    }

    /// A tensor of this type and known dimensions.
    pub fn known(elem: ElemType, shape: &[usize]) -> Self {
        Self::tensor(Some(elem), Some(shape.iter().map(|&d| SymDim::Known(d)).collect()))
    }

    /// Everything about a value that the model fixes.
    pub fn of_constant(value: &Value) -> Self {
        let Value::Tensor(tensor) = value else {
            return Self { constant: Some(value.clone()), ..Self::default() };
        };
        Self {
            dims: constant_dims(tensor),
            constant: Some(value.clone()),
            ..Self::known(tensor.elem(), tensor.shape())
        }
    }

    /// The rank, where it is known.
    pub fn rank(&self) -> Option<usize> {
        self.shape.as_ref().map(Vec::len)
    }

    /// The constant tensor, where the model fixes one.
    pub fn constant_tensor(&self) -> Option<&Tensor> {
        match &self.constant {
            Some(Value::Tensor(tensor)) => Some(tensor),
            _ => None,
        }
    }

    /// The constant's integers, where the model fixes them.
    pub fn constant_ints(&self) -> Option<Vec<i64>> {
        self.constant_tensor()?.to_ints().ok()
    }

    /// The concrete shape, where every dimension is known.
    pub fn concrete_shape(&self) -> Option<Shape> {
        self.shape.as_ref()?.iter().map(SymDim::known).collect()
    }

    /// This fact without the contents.
    #[must_use]
    pub fn without_constant(&self) -> Self {
        Self { constant: None, dims: None, ..self.clone() }
    }

    /// Only what kind of value it is.
    #[must_use]
    pub fn of_any_shape(&self) -> Self {
        Self { elem: self.elem, map_keys: self.map_keys, ..Self::default() }
    }

    /// What holds for a value of which either fact holds.
    #[must_use]
    pub fn common(&self, other: &Self) -> Self {
        let shape = match (&self.shape, &other.shape) {
            (Some(own), Some(others)) if own.len() == others.len() => {
                let both = own.iter().zip(others);
                Some(both.map(|(a, b)| if a == b { a.clone() } else { SymDim::Unknown }).collect())
            }
            _ => None,
        };
        let elem = self.elem.filter(|_| self.elem == other.elem);
        let map_keys = self.map_keys.filter(|_| self.map_keys == other.map_keys);
        Self { elem, shape, map_keys, ..Self::default() }
    }

    /// This fact with what `other` knows beyond it.
    #[must_use]
    pub fn or(self, other: &Self) -> Self {
        let shape = match (self.shape, &other.shape) {
            (Some(own), Some(others)) if own.len() == others.len() => {
                Some(own.into_iter().zip(others).map(|(own, other)| merge(own, other)).collect())
            }
            (Some(own), _) => Some(own),
            (None, others) => others.clone(),
        };
        Self {
            elem: self.elem.or(other.elem),
            shape,
            dims: self.dims.or_else(|| other.dims.clone()),
            constant: self.constant.or_else(|| other.constant.clone()),
            map_keys: self.map_keys.or(other.map_keys),
        }
    }
}

fn merge(own: SymDim, other: &SymDim) -> SymDim {
    match own {
        SymDim::Unknown => other.clone(),
        known => known,
    }
}

fn constant_dims(tensor: &Tensor) -> Option<SymShape> {
    const LONGEST: usize = 64;
    if tensor.rank() > 1 || tensor.len() > LONGEST || !tensor.elem().is_int() {
        return None;
    }
    let ints = tensor.to_ints().ok()?;
    ints.into_iter().map(|v| usize::try_from(v).ok().map(SymDim::Known)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_inferred_wins_over_what_is_declared() {
        let inferred = Fact::tensor(None, Some(vec![SymDim::Symbol("N".into()), SymDim::Unknown]));
        let declared = Fact::known(ElemType::F32, &[1, 3]);
        let merged = inferred.or(&declared);
        assert_eq!(merged.elem, Some(ElemType::F32));
        assert_eq!(merged.shape, Some(vec![SymDim::Symbol("N".into()), SymDim::Known(3)]));
    }
}
