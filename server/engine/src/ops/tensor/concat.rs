//! `Concat`, since opset 1 (`axis` defaults to 1 before 4; negative since 11).

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim, SymShape},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{ElemType, Tensor},
};

use super::{
    kernels::join,
    shapes::{axis, contents, describes},
};

pub(super) const OPS: &[OpDef] = &[OpDef::onnx("Concat", 1, |node| boxed(Concat { axis: parse(node)? }))];

fn parse(node: &NodeDef<'_>) -> Result<i64> {
    if node.opset() < 4 { node.int_or("axis", 1) } else { node.required_int("axis") }
}

/// `Concat`.
#[derive(Debug)]
pub(crate) struct Concat {
    pub(crate) axis: i64,
}

impl Concat {
    fn dims(&self, inputs: &Facts<'_>) -> Result<Option<SymShape>> {
        let shapes: Option<Vec<&SymShape>> =
            inputs.iter().map(|fact| fact.and_then(|fact| fact.shape.as_ref())).collect();
        let Some((first, rest)) = shapes.as_deref().and_then(<[_]>::split_first) else { return Ok(None) };
        let axis = axis(self.axis, first.len())?;
        let mut dims = (*first).clone();
        for shape in rest {
            if shape.len() != dims.len() {
                return Err(misfit());
            }
            for (i, (dim, other)) in dims.iter_mut().zip(shape.iter()).enumerate() {
                *dim = match (&*dim, other) {
                    (SymDim::Known(a), SymDim::Known(b)) if i == axis => SymDim::Known(a.saturating_add(*b)),
                    _ if i == axis => SymDim::Unknown,
                    (SymDim::Known(a), SymDim::Known(b)) if a != b => return Err(misfit()),
                    (SymDim::Known(_), _) => continue,
                    (SymDim::Symbol(_), SymDim::Symbol(_) | SymDim::Unknown) => continue,
                    (_, other) => other.clone(),
                };
            }
        }
        Ok(Some(dims))
    }

    fn contents(inputs: &Facts<'_>) -> Option<SymShape> {
        const LONGEST: usize = 64;
        let parts = inputs.iter().map(contents).collect::<Option<Vec<_>>>()?;
        let rank_one = inputs.iter().all(|fact| fact.and_then(Fact::rank) == Some(1));
        Some(parts.concat()).filter(|all| rank_one && all.len() <= LONGEST)
    }
}

fn misfit() -> OpError {
    OpError::invalid("the inputs must have the same shape but for the axis of concatenation")
}

impl Op for Concat {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let elem = inputs.iter().find_map(|fact| fact?.elem);
        if elem == Some(ElemType::I64)
            && let Some(contents) = Self::contents(inputs)
        {
            return Ok(vec![describes(contents, false)]);
        }
        Ok(vec![Fact::tensor(elem, self.dims(inputs)?)])
    }

    fn is_by_image(&self) -> bool {
        self.axis > 0
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let tensors = inputs.tensors()?;
        one(concat(&tensors, self.axis)?)
    }
}

/// The tensors joined along `axis`.
fn concat(tensors: &[&Tensor], along: i64) -> Result<Tensor> {
    let Some((first, rest)) = tensors.split_first() else {
        return Err(OpError::invalid("no tensors to concatenate"));
    };
    if rest.is_empty() {
        return Ok((*first).clone());
    }
    let axis = axis(along, first.rank())?;
    let mut shape = first.shape().to_vec();
    for tensor in rest {
        let others = |shape: &[usize]| [&shape[..axis], &shape[axis + 1..]].concat();
        if tensor.rank() != shape.len() || others(tensor.shape()) != others(&shape) {
            return Err(misfit());
        }
        shape[axis] = shape[axis].saturating_add(tensor.shape()[axis]);
    }
    join(tensors, axis, shape)
}
