//! `ZipMap`: scores become maps from class labels. ONNX-ML 1.
//!
//! Maps do not travel: a graph output `X` of maps reaches clients as two tensors, `X_keys` `[rows, K]` (the
//! labels, repeated in every row, so that a batch splits by rows) and `X_values` `[rows, K]`.

use std::sync::Arc;

use smallvec::smallvec;

use super::{labels::Labels, real::matrix};
use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed},
    value::{Maps, Tensor, Value},
};

pub(super) const OPS: &[OpDef] = &[OpDef::ml("ZipMap", 1, parse)];

#[derive(Debug)]
struct ZipMap(Tensor);

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let keys = match Labels::parse(node, "classlabels_int64s", "classlabels_strings")? {
        Labels::Ints(all) => Tensor::from_vec(&[all.len()][..], all)?,
        Labels::Texts(all) => Tensor::from_vec(&[all.len()][..], all)?,
    };
    if keys.is_empty() {
        return Err(OpError::invalid("the maps have no keys"));
    }
    boxed(ZipMap(keys))
}

impl Op for ZipMap {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let shape = vec![super::labels::rows(inputs), SymDim::Known(self.0.len())];
        let values = Fact::tensor(inputs.elem(0), Some(shape));
        Ok(vec![Fact { map_keys: Some(self.0.elem()), ..values }])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let values = inputs.tensor(0)?;
        let (rows, columns) = matrix(values)?;
        if columns != self.0.len() {
            return Err(OpError::invalid(format!("{columns} scores for {} keys", self.0.len())));
        }
        let values = values.reshape(&[rows, columns][..])?;
        Ok(smallvec![Value::Maps(Arc::new(Maps { keys: self.0.clone(), values }))])
    }
}
