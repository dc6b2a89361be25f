//! `SVMRegressor`: `[rows, 1]`. ONNX-ML 1.

use super::{
    super::{
        labels::rows,
        real::{Reals, matrix},
    },
    kernel::Kernel,
};
use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{ElemType, Tensor},
};

pub(in crate::ops::ml) const OPS: &[OpDef] = &[OpDef::ml("SVMRegressor", 1, parse)];

#[derive(Debug)]
struct Regressor {
    kernel: Kernel,
    /// Vectors of `features` numbers, and the weight of each.
    vectors: Vec<f32>,
    weights: Vec<f32>,
    features: usize,
    rho: f32,
    one_class: bool,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let coefficients = node.floats("coefficients")?.unwrap_or_default();
    let supports = usize::try_from(node.int_or("n_supports", 0)?).unwrap_or(0);
    let rho = node.floats("rho")?.and_then(|rho| rho.first().copied());
    let rho = rho.ok_or_else(|| OpError::invalid("attribute 'rho' is missing"))?;
    let one_class = node.flag("one_class", false)?;
    let kernel = Kernel::parse(node)?;
    if supports == 0 {
        let features = coefficients.len();
        let (kernel, weights) = (Kernel::Linear, vec![1.0]);
        return checked(Regressor { kernel, vectors: coefficients, weights, features, rho, one_class });
    }
    let vectors = node.floats("support_vectors")?.unwrap_or_default();
    let features = vectors.len() / supports;
    if features * supports != vectors.len() || coefficients.len() != supports {
        return Err(OpError::invalid("support_vectors, coefficients and n_supports do not fit"));
    }
    checked(Regressor { kernel, vectors, weights: coefficients, features, rho, one_class })
}

fn checked(op: Regressor) -> Result<Box<dyn Op>> {
    if op.features == 0 {
        return Err(OpError::invalid("the machine has no features"));
    }
    boxed(op)
}

impl Regressor {
    fn score(&self, row: &[f32]) -> f32 {
        let vectors = self.vectors.chunks_exact(self.features).zip(&self.weights);
        let sum: f32 = vectors.map(|(vector, weight)| self.kernel.of(row, vector) * weight).sum();
        match (self.one_class, sum + self.rho) {
            (false, score) => score,
            (true, score) if score > 0.0 => 1.0,
            (true, _) => -1.0,
        }
    }
}

impl Op for Regressor {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        Ok(vec![Fact::tensor(Some(ElemType::F32), Some(vec![rows(inputs), SymDim::Known(1)]))])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let (rows, columns) = matrix(input)?;
        if columns != self.features {
            return Err(OpError::invalid(format!("expected {} features, got {columns}", self.features)));
        }
        let data = Reals::<f32>::of(input)?;
        one(Tensor::from_vec(
            &[rows, 1][..],
            data.chunks_exact(columns).map(|row| self.score(row)).collect(),
        )?)
    }
}
