//! Rotary position embedding of heads that are read where a projection left them: `[x, cos, sin]`, of which
//! the last two broadcast to `[batch, heads, rows, columns]`. The answer is of that shape.

use girandole_kernels::rotary::{Factors, Rotary as Kernel};

use super::attention::{Operand, join};
use crate::{
    error::{OpError, Result},
    graph::Fact,
    ops::{Facts, Inputs, Op, Outputs, RunContext, one},
    value::{ElemType, Tensor, checked_len},
};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Rotary {
    pub(crate) heads: Operand,
}

impl Op for Rotary {
    fn infer(&self, _inputs: &Facts<'_>, outputs: usize) -> Result<Vec<Fact>> {
        Ok(vec![Fact::tensor(Some(ElemType::F32), None); outputs])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (x, cos, sin) = (inputs.tensor(0)?, inputs.tensor(1)?, inputs.tensor(2)?);
        let place = self.heads.place(x.shape())?;
        let sizes = sizes(place.sizes(), cos, sin)?;
        checked_len::<f32>(&sizes)?;
        let (x, cos_data, sin_data) = (x.view::<f32>()?, cos.view::<f32>()?, sin.view::<f32>()?);
        let kernel = Kernel {
            sizes,
            heads: place.heads(&x),
            cos: Factors { data: &cos_data, strides: strides(cos) },
            sin: Factors { data: &sin_data, strides: strides(sin) },
        };
        one(Tensor::from_vec(&sizes[..], kernel.compute()?)?)
    }
}

/// What heads and factors broadcast to; their columns are the same.
fn sizes(heads: [usize; 4], cos: &Tensor, sin: &Tensor) -> Result<[usize; 4]> {
    let misfit = || {
        OpError::invalid(format!(
            "cosines {} and sines {} do not fit heads of {heads:?}",
            cos.shape(),
            sin.shape()
        ))
    };
    let mut sizes = heads;
    for factors in [cos, sin] {
        if factors.rank() > sizes.len() || factors.shape().last() != Some(&heads[3]) {
            return Err(misfit());
        }
        for (size, &dim) in sizes.iter_mut().rev().zip(factors.shape().iter().rev()) {
            *size = join([*size, dim]).ok_or_else(misfit)?;
        }
    }
    Ok(sizes)
}

/// Elements of factors from one sequence, head and row to the next: 0 where there is one.
fn strides(factors: &Tensor) -> [usize; 3] {
    let mut strides = [0; 3];
    let mut dims = factors.shape().iter().rev();
    let mut stride = dims.next().copied().unwrap_or(1);
    for (own, &dim) in strides.iter_mut().rev().zip(dims) {
        if dim != 1 {
            *own = stride;
        }
        stride = stride.saturating_mul(dim);
    }
    strides
}
