//! What the family's operators know of their outputs before a run.

use super::broadcast::broadcast_dims;
use crate::{
    error::{OpError, Result},
    graph::{Fact, SymShape},
    ops::Facts,
    value::ElemType,
};

/// A group of element types that an operator takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Any type.
    Any,
    /// Floats and integers.
    Numbers,
    /// Floats.
    Floats,
    /// Integers.
    Ints,
    /// Booleans.
    Bools,
}

impl Takes {
    /// # Errors
    /// `Unsupported` for a type outside the group.
    pub(crate) fn check(self, elem: ElemType) -> Result<()> {
        let (fits, wanted) = match self {
            Self::Any => (true, "any"),
            Self::Numbers => (elem.is_float() || elem.is_int(), "numbers"),
            Self::Floats => (elem.is_float(), "floats"),
            Self::Ints => (elem.is_int(), "integers"),
            Self::Bools => (elem == ElemType::Bool, "booleans"),
        };
        if fits {
            Ok(())
        } else {
            Err(OpError::unsupported(format!("not supported for elements of {elem}: expected {wanted}")))
        }
    }
}

/// A tensor of the first input's shape and, unless `elem` says otherwise, type.
///
/// # Errors
/// `Unsupported` for an input that the operator does not take.
pub(crate) fn like_first(inputs: &Facts<'_>, takes: Takes, elem: Option<ElemType>) -> Result<Vec<Fact>> {
    if let Some(elem) = inputs.elem(0) {
        takes.check(elem)?;
    }
    Ok(vec![Fact::tensor(elem.or_else(|| inputs.elem(0)), inputs.shape(0).cloned())])
}

/// A tensor of the shape that the inputs broadcast to and, unless `elem` says otherwise, their type.
///
/// # Errors
/// `Invalid` where types or shapes can never fit.
pub(crate) fn broadcast_all(inputs: &Facts<'_>, takes: Takes, elem: Option<ElemType>) -> Result<Vec<Fact>> {
    let common = common_elem(inputs, 0..inputs.len())?;
    common.map_or(Ok(()), |elem| takes.check(elem))?;
    Ok(vec![Fact::tensor(elem.or(common), broadcast_shapes(inputs)?)])
}

/// The type that the inputs of these places share.
///
/// # Errors
/// `Invalid` where they differ.
pub(crate) fn common_elem(
    inputs: &Facts<'_>,
    places: impl IntoIterator<Item = usize>,
) -> Result<Option<ElemType>> {
    let mut common = None;
    for elem in places.into_iter().filter_map(|i| inputs.elem(i)) {
        match common {
            Some(first) if first != elem => {
                return Err(OpError::invalid(format!(
                    "the inputs must have one element type, got {first} and {elem}"
                )));
            }
            _ => common = Some(elem),
        }
    }
    Ok(common)
}

/// The shape that all inputs broadcast to, where it is known.
///
/// # Errors
/// `Invalid` where they can never broadcast.
pub(crate) fn broadcast_shapes(inputs: &Facts<'_>) -> Result<Option<SymShape>> {
    let mut all = SymShape::new();
    for i in 0..inputs.len() {
        let Some(shape) = inputs.shape(i) else { return Ok(None) };
        all = broadcast_dims(&all, shape)?;
    }
    Ok(Some(all))
}
