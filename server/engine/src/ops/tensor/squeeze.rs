//! `Squeeze` and `Unsqueeze`: dimensions of size 1 go and come, without a copy.
//!
//! Since opset 1 with `axes` as an attribute, negative ones since 11; as an input since 13.

use girandole_core::Shape;

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim, SymShape},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, Walk, boxed, one},
};

use super::{
    params::{IntList, Known},
    shapes,
};

pub(super) const OPS: &[OpDef] = &[
    OpDef::onnx("Squeeze", 1, |node| boxed(Squeeze(axes(node)?))),
    OpDef::onnx("Unsqueeze", 1, |node| boxed(Unsqueeze(axes(node)?))),
];

fn axes(node: &NodeDef<'_>) -> Result<IntList> {
    IntList::parse(node, "axes", 1, 13)
}

/// `Squeeze`.
#[derive(Debug)]
pub(crate) struct Squeeze(IntList);

/// `shape` without the dimensions `axes`, or without those that `is_one` where none are named.
fn squeezed<D: Clone>(shape: &[D], axes: Option<&[i64]>, is_one: impl Fn(&D) -> bool) -> Result<Vec<D>> {
    let gone = axes.map(|axes| shapes::axes(axes, shape.len())).transpose()?;
    let keep = |i: usize, dim: &D| gone.as_ref().map_or_else(|| !is_one(dim), |gone| !gone.contains(&i));
    Ok(shape.iter().enumerate().filter(|&(i, dim)| keep(i, dim)).map(|(_, dim)| dim.clone()).collect())
}

impl Op for Squeeze {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let is_one = |dim: &SymDim| dim.known() == Some(1);
        let shape = match (inputs.shape(0), self.0.known(inputs)) {
            (Some(shape), Known::Given(axes)) => Some(squeezed(shape, Some(&axes), is_one)?),
            (Some(shape), Known::LeftOut) if shape.iter().all(|dim| dim.known().is_some()) => {
                Some(squeezed(shape, None, is_one)?)
            }
            _ => None,
        };
        Ok(vec![same_contents(inputs, shape)])
    }

    fn movement(&self, shape: &[usize], inputs: &Inputs) -> Option<Result<Vec<Walk>>> {
        Some(self.left(shape, inputs).map(|left| vec![Walk::whole(&left)]))
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        one(input.reshape(self.left(input.shape(), &inputs)?)?)
    }
}

impl Squeeze {
    /// The dimensions that are left.
    fn left(&self, shape: &[usize], inputs: &Inputs) -> Result<Vec<usize>> {
        let axes = self.0.get(inputs)?;
        let left = squeezed(shape, axes.as_deref(), |&dim| dim == 1)?;
        if Shape::new(&left).elements() != Shape::new(shape).elements() {
            let came = Shape::new(shape);
            return Err(OpError::invalid(format!("only dimensions of size 1 can be squeezed out of {came}")));
        }
        Ok(left)
    }
}

/// `Unsqueeze`.
#[derive(Debug)]
pub(crate) struct Unsqueeze(IntList);

fn unsqueezed<D: Clone>(shape: &[D], axes: &[i64], one: D) -> Result<Vec<D>> {
    let rank = shape.len() + axes.len();
    let new = shapes::axes(axes, rank)?;
    let mut old = shape.iter().cloned();
    Ok((0..rank).filter_map(|i| if new.contains(&i) { Some(one.clone()) } else { old.next() }).collect())
}

impl Op for Unsqueeze {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let shape = match (inputs.shape(0), self.0.known(inputs)) {
            (Some(shape), Known::Given(axes)) => Some(unsqueezed(shape, &axes, SymDim::Known(1))?),
            _ => None,
        };
        Ok(vec![same_contents(inputs, shape)])
    }

    fn movement(&self, shape: &[usize], inputs: &Inputs) -> Option<Result<Vec<Walk>>> {
        let made = self.0.required(inputs, "axes").and_then(|axes| unsqueezed(shape, &axes, 1));
        Some(made.map(|made| vec![Walk::whole(&made)]))
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let axes = self.0.required(&inputs, "axes")?;
        one(input.reshape(unsqueezed(input.shape(), &axes, 1)?)?)
    }
}

/// The first input's fact under another shape; what a list of sizes says survives while its rank is 0 or 1.
fn same_contents(inputs: &Facts<'_>, shape: Option<SymShape>) -> Fact {
    let dims = inputs.get(0).and_then(|fact| fact.dims.clone());
    let dims = dims.filter(|_| shape.as_ref().is_some_and(|shape| shape.len() <= 1));
    Fact { dims, ..Fact::tensor(inputs.elem(0), shape) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dimensions_go_and_come() {
        let is_one = |&dim: &usize| dim == 1;
        assert_eq!(squeezed(&[1, 3, 1], None, is_one).unwrap(), [3]);
        assert_eq!(squeezed(&[1, 3, 1], Some(&[-1]), is_one).unwrap(), [1, 3]);
        assert!(squeezed(&[1, 3], Some(&[2]), is_one).is_err());
        assert_eq!(unsqueezed(&[3, 4], &[-1, 0], 1).unwrap(), [1, 3, 4, 1]);
        assert!(unsqueezed(&[3], &[0, 0], 1).is_err());
        assert!(unsqueezed(&[3], &[5], 1).is_err());
    }
}
