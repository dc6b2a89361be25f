//! `Einsum`: sums of products by labelled axes, with diagonals, implicit outputs and an ellipsis. Since opset
//! 12.
//!
//! Operands are contracted from left to right, each step one batched matrix product.

mod contract;
mod equation;
mod term;

use crate::{
    error::Result,
    graph::{Fact, SymDim, SymShape},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::Tensor,
};

use self::{
    contract::contract,
    equation::{Equation, Label, Labels},
    term::{Sizes, Term},
};
use super::ring::{Ring, ring};

pub(super) const OPS: &[OpDef] = &[OpDef::onnx("Einsum", 12, parse)];

#[derive(Debug)]
struct Einsum {
    equation: Equation,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let equation = Equation::parse(node.required_string("equation")?)?;
    equation.check_count(node.input_count())?;
    boxed(Einsum { equation })
}

impl Einsum {
    /// What is known of the output's shape.
    fn shape(&self, shapes: &[&SymShape]) -> Result<SymShape> {
        let ranks: Vec<usize> = shapes.iter().map(|shape| shape.len()).collect();
        let labels = self.equation.labels(&ranks)?;
        Ok(labels.output.iter().map(|&label| dim_of(label, &labels.terms, shapes)).collect())
    }

    fn run<T: Ring>(&self, tensors: &[&Tensor]) -> Result<Tensor> {
        let elem = tensors[0].elem();
        let ranks: Vec<usize> = tensors.iter().map(|tensor| tensor.rank()).collect();
        let Labels { terms, output } = self.equation.labels(&ranks)?;
        let shapes = tensors.iter().zip(&terms).map(|(tensor, labels)| (&labels[..], &tensor.shape()[..]));
        let sizes = Sizes::new(shapes)?;
        // Read when its turn comes, so that only one operand lies there converted.
        let mut done: Option<Term<T>> = None;
        for (i, (tensor, labels)) in tensors.iter().zip(&terms).enumerate() {
            let later = terms[i + 1..].iter().flatten();
            let kept: Vec<Label> = output.iter().chain(later).copied().collect();
            let next = Term::new(T::read(tensor)?, labels, tensor.shape(), &sizes)?;
            done = Some(match done {
                None => next.keep(&kept)?,
                Some(done) => {
                    let next = next.keep(&[&kept[..], done.labels()].concat())?;
                    let done = done.keep(&[&kept[..], next.labels()].concat())?;
                    contract(&done, &next, &kept)?
                }
            });
        }
        let shape = sizes.of(&output);
        let data = done.map(|term| term.arrange(&output)).transpose()?.unwrap_or_default();
        T::write(elem, &shape, data)
    }
}

impl Op for Einsum {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let shapes: Option<Vec<&SymShape>> = (0..inputs.len()).map(|i| inputs.shape(i)).collect();
        let shape = shapes.map(|shapes| self.shape(&shapes)).transpose()?;
        Ok(vec![Fact::tensor(inputs.elem(0), shape)])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let tensors = inputs.tensors()?;
        self.equation.check_count(tensors.len())?;
        one(ring!(tensors[0].elem(), T => self.run::<T>(&tensors))?)
    }
}

/// What is known of a label's size: a size of 1 may be stretched to any other.
fn dim_of(label: Label, terms: &[Vec<Label>], shapes: &[&SymShape]) -> SymDim {
    let all = terms.iter().zip(shapes).flat_map(|(labels, shape)| labels.iter().zip(shape.iter()));
    let mut dims = all.filter(|(own, _)| **own == label).map(|(_, dim)| dim);
    let known = dims.clone().find(|dim| dim.known().is_some_and(|size| size != 1));
    match (known, dims.next()) {
        (Some(dim), _) => dim.clone(),
        (None, Some(first)) if dims.all(|dim| dim == first) => first.clone(),
        _ => SymDim::Unknown,
    }
}

#[cfg(test)]
mod tests;
