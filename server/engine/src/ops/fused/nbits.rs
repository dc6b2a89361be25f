//! A product with fixed weights of four bits, plus a fixed bias: `[.., k]` of f32 to `[.., n]`.

use std::sync::Arc;

use girandole_kernels::nibbles::Nibbles;
use smallvec::SmallVec;

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    ops::{Facts, Inputs, Op, Outputs, RunContext, one},
    value::{Tensor, checked_len},
};

/// See the module. Clones share the weights.
#[derive(Clone)]
pub(crate) struct NBits {
    pub(crate) weights: Arc<Nibbles>,
    pub(crate) bias: Option<Arc<[f32]>>,
}

impl std::fmt::Debug for NBits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NBits({}x{}, bias: {})", self.weights.k(), self.weights.n(), self.bias.is_some())
    }
}

impl NBits {
    /// The product of the rows along the last axis of `x`.
    ///
    /// # Errors
    /// `Invalid` where they are not as long as the weights are deep.
    pub(crate) fn product(&self, x: &Tensor) -> Result<Tensor> {
        let (k, n) = (self.weights.k(), self.weights.n());
        let rows = match x.shape().split_last() {
            Some((&last, rows)) if last == k => rows,
            _ => return Err(OpError::invalid(format!("cannot multiply {} by {k}x{n}", x.shape()))),
        };
        let shape: SmallVec<[usize; 6]> = rows.iter().copied().chain([n]).collect();
        checked_len::<f32>(&shape)?;
        Tensor::from_vec(&shape[..], self.weights.product(&x.view::<f32>()?, self.bias.as_deref())?)
    }
}

impl Op for NBits {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let shape = inputs.shape(0).filter(|shape| !shape.is_empty()).map(|shape| {
            let rows = shape[..shape.len() - 1].iter().cloned();
            rows.chain([SymDim::Known(self.weights.n())]).collect()
        });
        Ok(vec![Fact::tensor(inputs.elem(0), shape)])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        one(self.product(inputs.tensor(0)?)?)
    }

    fn constant_bytes(&self) -> usize {
        self.weights.bytes()
    }
}
