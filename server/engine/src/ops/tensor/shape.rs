//! `Shape` and `Size`, both since opset 1. `Shape` takes `start` and `end` since 15.

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{ElemType, Tensor},
};

use super::shapes::describes;

pub(super) const OPS: &[OpDef] =
    &[OpDef::onnx("Shape", 1, |node| boxed(Shape::parse(node)?)), OpDef::onnx("Size", 1, |_| boxed(Size))];

/// `Shape`.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) start: i64,
    pub(crate) end: i64,
}

impl Shape {
    fn parse(node: &NodeDef<'_>) -> Result<Self> {
        Ok(Self { start: node.int_or("start", 0)?, end: node.int_or("end", i64::MAX)? })
    }

    /// The dimensions asked for, as the tensor that they make up.
    ///
    /// # Errors
    /// `Invalid` for a dimension that no integer of ONNX holds.
    pub(crate) fn dims(&self, shape: &[usize]) -> Result<Tensor> {
        let dims = self.part(shape).iter().map(|&dim| int(dim)).collect::<Result<Vec<_>>>()?;
        Tensor::from_vec(vec![dims.len()], dims)
    }

    /// The dimensions asked for, of those of a tensor.
    fn part<'a, T>(&self, dims: &'a [T]) -> &'a [T] {
        let rank = i64::try_from(dims.len()).unwrap_or(i64::MAX);
        let clamp = |value: i64| {
            let value = if value < 0 { value.saturating_add(rank) } else { value };
            usize::try_from(value.clamp(0, rank)).unwrap_or(0)
        };
        dims.get(clamp(self.start)..clamp(self.end)).unwrap_or(&[])
    }
}

impl Op for Shape {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let Some(shape) = inputs.shape(0) else {
            return Ok(vec![Fact::tensor(Some(ElemType::I64), None)]);
        };
        Ok(vec![describes(self.part(shape).to_vec(), false)])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        one(self.dims(inputs.tensor(0)?.shape())?)
    }
}

/// `Size`.
#[derive(Debug)]
pub(crate) struct Size;

impl Op for Size {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let elements = inputs.get(0).and_then(|fact| fact.concrete_shape()?.elements());
        Ok(vec![describes(vec![elements.map_or(SymDim::Unknown, SymDim::Known)], true)])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        one(Tensor::scalar(int(inputs.tensor(0)?.len())?)?)
    }
}

fn int(size: usize) -> Result<i64> {
    i64::try_from(size).map_err(|_| OpError::invalid(format!("size {size} is no 64-bit integer")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_shape_is_clamped_to_it() {
        let part = |start, end| Shape { start, end }.part(&[2, 3, 4]).to_vec();
        assert_eq!(part(0, i64::MAX), [2, 3, 4]);
        assert_eq!(part(-2, -1), [3]);
        assert_eq!(part(-9, 9), [2, 3, 4]);
        assert_eq!(part(2, 1), [] as [i32; 0]);
        assert_eq!(part(i64::MIN, i64::MIN), [] as [i32; 0]);
    }
}
