//! `Scatter` (opset 9, renamed in 11), `ScatterElements` (since 11) and `ScatterND` (since 11); `reduction`
//! `add` and `mul` since 16, `min` and `max` since 18.

use crate::{
    error::{OpError, Result},
    graph::Fact,
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
};

use super::{
    gather_elements::{Tuples, element_places},
    kernels::{Reduction, scatter},
    shapes::one_fact,
};

pub(super) const OPS: &[OpDef] = &[
    OpDef::onnx("Scatter", 9, |node| boxed(ScatterElements::parse(node)?)),
    OpDef::onnx("ScatterElements", 11, |node| boxed(ScatterElements::parse(node)?)),
    OpDef::onnx("ScatterND", 11, |node| boxed(ScatterNd { reduction: Reduction::parse(node)? })),
];

#[derive(Debug)]
struct ScatterElements {
    axis: i64,
    reduction: Reduction,
}

impl ScatterElements {
    fn parse(node: &NodeDef<'_>) -> Result<Self> {
        Ok(Self { axis: node.int_or("axis", 0)?, reduction: Reduction::parse(node)? })
    }
}

impl Op for ScatterElements {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        one_fact(inputs.elem(0), inputs.shape(0).cloned())
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (data, indices, updates) = (inputs.tensor(0)?, inputs.tensor(1)?, inputs.tensor(2)?);
        if updates.shape() != indices.shape() {
            return Err(OpError::invalid(format!(
                "indices of shape {} and updates of shape {} must have one shape",
                indices.shape(),
                updates.shape()
            )));
        }
        let places = element_places(data, indices, self.axis)?;
        one(scatter(data, &places, 1, updates, self.reduction)?)
    }
}

#[derive(Debug)]
struct ScatterNd {
    reduction: Reduction,
}

impl Op for ScatterNd {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        one_fact(inputs.elem(0), inputs.shape(0).cloned())
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (data, indices, updates) = (inputs.tensor(0)?, inputs.tensor(1)?, inputs.tensor(2)?);
        let tuples = Tuples::new(data.shape(), indices.shape(), 0)?;
        let places = tuples.places(&indices.to_ints()?)?;
        one(scatter(data, &places, tuples.block, updates, self.reduction)?)
    }
}
