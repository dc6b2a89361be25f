//! Rows looked up in tables, summed and normalised: an encoder's embeddings. The form that GPUs take; on a
//! processor it is only run by the tests of the rules.
//!
//! Inputs: a table `[rows, width]` of f32 and indices of i64, up to [`MAX_TABLES`] times; the indices broadcast.

use super::norm::Norm;
use crate::{
    error::{OpError, Result},
    graph::{Fact, SymShape},
    ops::{Facts, Inputs, Op, Outputs, RunContext, math::broadcast::zip, tensor::gather::Gather},
    value::{ElemType, Tensor, Value},
};

/// The most tables, as the kernel takes them.
pub(crate) const MAX_TABLES: usize = 3;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Embed {
    pub(crate) norm: Norm,
}

impl Op for Embed {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let indices = (1..inputs.len()).step_by(2).map(|i| inputs.shape(i));
        let joined =
            indices.reduce(|a, b| Some(a.zip(b)?).map(|(a, b)| if a.len() >= b.len() { a } else { b }));
        let width = inputs.shape(0).and_then(|table| table.last());
        let shape: Option<SymShape> =
            joined.flatten().zip(width).map(|(rows, width)| rows.iter().chain([width]).cloned().collect());
        Ok(vec![Fact::tensor(Some(ElemType::F32), shape)])
    }

    fn eval(&self, inputs: Inputs, run: &RunContext) -> Result<Outputs> {
        let gather = Gather { axis: 0 };
        let mut sum: Option<Tensor> = None;
        for pair in (0..inputs.len()).step_by(2) {
            let taken = vec![inputs.get(pair).cloned(), inputs.get(pair + 1).cloned()];
            let rows = gather.eval(Inputs::new(taken), run)?;
            let rows = rows.first().map(Value::tensor).transpose()?.cloned();
            let rows = rows.ok_or_else(|| OpError::invalid("no rows were found"))?;
            sum = Some(match sum {
                Some(sum) => zip::<f32, f32, f32>(&sum, &rows, |a, b| a + b)?,
                None => rows,
            });
        }
        self.norm.eval(Inputs::new(vec![sum.map(Value::Tensor)]), run)
    }
}
