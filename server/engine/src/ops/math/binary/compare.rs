//! `Equal`, `Less`, `LessOrEqual`, `Greater`, `GreaterOrEqual`. Since opset 1; broadcasting since 7.

use super::legacy;
use crate::{
    error::Result,
    graph::{Fact, SymDim},
    ops::{
        Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed,
        math::{
            broadcast::zip,
            facts::{Takes, broadcast_all},
        },
        one,
    },
    value::{Bool, ElemType, Element, Tensor, dispatch},
};

pub(crate) const OPS: &[OpDef] = &[
    OpDef::onnx("Equal", 1, |n| legacy::aligned(n, Compare::Equal)),
    OpDef::onnx("Less", 1, |n| legacy::aligned(n, Compare::Less)),
    OpDef::onnx("LessOrEqual", 12, |_| boxed(Compare::LessOrEqual)),
    OpDef::onnx("Greater", 1, |n| legacy::aligned(n, Compare::Greater)),
    OpDef::onnx("GreaterOrEqual", 12, |_| boxed(Compare::GreaterOrEqual)),
];

/// A comparison.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Compare {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Op for Compare {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        if matches!(self, Self::Equal)
            && let Some(fact) = equal_sizes(inputs)
        {
            return Ok(vec![fact]);
        }
        let takes = if matches!(self, Self::Equal) { Takes::Any } else { Takes::Numbers };
        broadcast_all(inputs, takes, Some(ElemType::Bool))
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (a, b) = (inputs.tensor(0)?, inputs.tensor(1)?);
        one(match self {
            Self::Equal => {
                dispatch!(a.elem(), Any, T => zip::<T, T, Bool>(a, b, |a, b| Bool::new(a == b)))
            }
            _ => dispatch!(a.elem(), Number, T => self.order::<T>(a, b)),
        }?)
    }
}

/// Whether sizes of a shape are those of a constant list, where that is known when the model loads: a size is
/// never negative. Exporters ask so for the -1 of a shape to expand to.
fn equal_sizes(inputs: &Facts<'_>) -> Option<Fact> {
    let (sizes, list) = (inputs.get(0)?, inputs.get(1)?);
    let (dims, ints) = (sizes.dims.as_ref()?, list.constant_ints()?);
    if sizes.rank() != Some(1) || list.rank() != Some(1) || dims.len() != ints.len() {
        return None;
    }
    let same = |(dim, &value): (&SymDim, &i64)| match (dim, usize::try_from(value)) {
        (SymDim::Known(size), Ok(value)) => Some(*size == value),
        (SymDim::Known(_) | SymDim::Symbol(_), Err(_)) => Some(false),
        _ => None,
    };
    let answers = dims.iter().zip(&ints).map(same).collect::<Option<Vec<_>>>()?;
    let tensor = Tensor::from_bools(vec![answers.len()], answers).ok()?;
    Some(Fact::of_constant(&tensor.into()))
}

impl Compare {
    fn order<T: Element + PartialOrd>(self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        match self {
            Self::Less => zip::<T, T, Bool>(a, b, |a, b| Bool::new(a < b)),
            Self::LessOrEqual => zip::<T, T, Bool>(a, b, |a, b| Bool::new(a <= b)),
            Self::Greater => zip::<T, T, Bool>(a, b, |a, b| Bool::new(a > b)),
            Self::Equal | Self::GreaterOrEqual => zip::<T, T, Bool>(a, b, |a, b| Bool::new(a >= b)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_never_negative() {
        let sizes = vec![SymDim::Symbol("n".into()), SymDim::Known(3), SymDim::Known(1)];
        let shape = Fact { dims: Some(sizes.clone()), ..Fact::known(ElemType::I64, &[3]) };
        let list = |ints: Vec<i64>| Fact::of_constant(&Tensor::from_vec(vec![3], ints).unwrap().into());
        let answer = |dims: &Fact, list: &Fact| {
            let fact = equal_sizes(&Facts::new(vec![Some(dims), Some(list)]))?;
            let bools = fact.constant_tensor()?.to_vec::<Bool>().ok()?;
            Some(bools.into_iter().map(Bool::get).collect::<Vec<_>>())
        };
        assert_eq!(answer(&shape, &list(vec![-1, -1, 1])), Some(vec![false, false, true]));
        assert_eq!(answer(&shape, &list(vec![2, 3, 1])), None);
        let unknown = Fact { dims: Some(vec![SymDim::Unknown; 3]), ..shape.clone() };
        assert_eq!(answer(&unknown, &list(vec![-1; 3])), None);
    }
}
