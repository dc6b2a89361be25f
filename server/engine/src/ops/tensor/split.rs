//! `Split`, since opset 1: `split` as an attribute, an input since 13; `num_outputs` since 18. Without
//! either, as many equal parts as the node has outputs.

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed},
    value::Value,
};

use super::{
    kernels::{Walk, strided},
    params::IntList,
    shapes::{axis, sizes, strides},
};

pub(super) const OPS: &[OpDef] = &[OpDef::onnx("Split", 1, |node| boxed(Split::parse(node)?))];

/// `Split`.
#[derive(Debug)]
pub(crate) struct Split {
    axis: i64,
    sizes: IntList,
    /// Number of parts where no sizes are given; the last may be smaller since opset 18.
    parts: usize,
}

impl Split {
    fn parse(node: &NodeDef<'_>) -> Result<Self> {
        let parts = node.int("num_outputs")?.map(super::shapes::size).transpose()?;
        Ok(Self {
            axis: node.int_or("axis", 0)?,
            sizes: IntList::parse(node, "split", 1, 13)?,
            parts: parts.unwrap_or(node.output_count()),
        })
    }

    /// The size of each part of a dimension of `whole`.
    fn parts(&self, whole: usize, given: Option<Vec<i64>>) -> Result<Vec<usize>> {
        if let Some(given) = given {
            let parts = sizes(&given)?;
            let sum = parts.iter().try_fold(0usize, |sum, &part| sum.checked_add(part));
            return if sum == Some(whole) {
                Ok(parts)
            } else {
                Err(OpError::invalid(format!("parts of {given:?} do not make up a dimension of {whole}")))
            };
        }
        if self.parts == 0 || self.parts > whole.max(1) {
            return Err(OpError::invalid(format!(
                "a dimension of {whole} cannot be split into {} parts",
                self.parts
            )));
        }
        let size = whole.div_ceil(self.parts);
        let begin = |i: usize| (i * size).min(whole);
        Ok((0..self.parts).map(|i| begin(i + 1) - begin(i)).collect())
    }
}

impl Split {
    /// The axis of a tensor of `rank` that it parts.
    pub(crate) fn along(&self, rank: usize) -> Option<usize> {
        axis(self.axis, rank).ok()
    }

    /// The axis, and where along it output `number` begins, where that is known when the model loads.
    pub(crate) fn begin(&self, facts: &Facts<'_>, number: usize) -> Option<(usize, usize)> {
        let shape = facts.shape(0)?;
        let axis = axis(self.axis, shape.len()).ok()?;
        let parts = self.parts(shape[axis].known()?, self.sizes.known(facts).given()?).ok()?;
        Some((axis, parts.get(..number)?.iter().sum()))
    }
}

impl Op for Split {
    fn infer(&self, inputs: &Facts<'_>, outputs: usize) -> Result<Vec<Fact>> {
        let elem = inputs.elem(0);
        let Some(shape) = inputs.shape(0) else { return Ok(vec![Fact::tensor(elem, None); outputs]) };
        let axis = axis(self.axis, shape.len())?;
        let given = self.sizes.known(inputs).given();
        let parts = match (given, shape[axis].known()) {
            (Some(given), Some(whole)) => Some(self.parts(whole, given)?),
            (Some(Some(given)), None) => Some(sizes(&given)?),
            _ => None,
        };
        let fact = |i: usize| {
            let mut shape = shape.clone();
            let part = parts.as_ref().and_then(|parts| parts.get(i));
            shape[axis] = part.map_or(SymDim::Unknown, |&part| SymDim::Known(part));
            Fact::tensor(elem, Some(shape))
        };
        Ok((0..outputs).map(fact).collect())
    }

    fn movement(&self, shape: &[usize], inputs: &Inputs) -> Option<Result<Vec<Walk>>> {
        Some(self.walks(shape, inputs))
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let walks = self.walks(input.shape(), &inputs)?;
        walks.into_iter().map(|walk| strided(input, walk).map(Value::Tensor)).collect()
    }
}

impl Split {
    /// The part of each output.
    fn walks(&self, dims: &[usize], inputs: &Inputs) -> Result<Vec<Walk>> {
        let axis = axis(self.axis, dims.len())?;
        let parts = self.parts(dims[axis], self.sizes.get(inputs)?)?;
        let whole = Walk::whole(dims);
        let step = strides(dims)[axis];
        let mut begin = 0;
        let part = |part: usize| {
            let mut walk = Walk { start: begin * step, ..whole.clone() };
            walk.shape[axis] = part;
            begin += part;
            walk
        };
        Ok(parts.into_iter().map(part).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_make_up_the_whole() {
        let split = |parts| Split { axis: 0, sizes: IntList::Input(1), parts };
        assert_eq!(split(3).parts(7, None).unwrap(), [3, 3, 1]);
        assert_eq!(split(2).parts(6, None).unwrap(), [3, 3]);
        assert_eq!(split(1).parts(0, None).unwrap(), [0]);
        assert_eq!(split(0).parts(5, Some(vec![2, 0, 3])).unwrap(), [2, 0, 3]);
        assert!(split(0).parts(5, Some(vec![2, 2])).is_err());
        assert!(split(0).parts(5, Some(vec![6, -1])).is_err());
        assert!(split(0).parts(5, Some(vec![i64::MAX, i64::MAX, i64::MAX])).is_err());
        assert!(split(usize::MAX).parts(5, None).is_err());
        assert!(split(0).parts(5, None).is_err());
    }
}
