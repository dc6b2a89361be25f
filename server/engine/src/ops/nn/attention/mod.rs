//! `Attention`: scaled dot products of queries and keys, a softmax of them over the keys, and the values
//! summed by it. Since opset 23; 24 adds `nonpad_kv_seqlen`.
//!
//! Where the first release of the operator's text was corrected later, this is the corrected form, which
//! PyTorch and ONNX Runtime have: neighbouring query heads share a key head, a causal mask ends at each
//! query's own position, and a query that may see nothing gives zeros.

mod fast;
mod heads;
mod mask;
mod scores;

use smallvec::smallvec;

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    kernels::real::Real,
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed},
    value::{ElemType, Value, checked_len},
};

use self::{heads::Heads, mask::Mask, scores::Scores};
use super::{
    real::{self, real},
    window::size_of,
};

pub(super) const OPS: &[OpDef] = &[OpDef::onnx("Attention", 23, parse)];

/// What of the scores is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Products,
    Masked,
    Capped,
    Softmax,
}

#[derive(Debug)]
struct Attention {
    /// Heads of queries and of keys, for inputs of rank 3.
    heads: (Option<usize>, Option<usize>),
    scale: Option<f32>,
    /// 0 is none.
    softcap: f32,
    causal: bool,
    /// Whether the softmax is asked for in f64.
    double: bool,
    /// Whether a mask shorter than the keys hides the rest; before opset 24 it is only broadcast.
    padded_mask: bool,
    stage: Option<Stage>,
    /// Whether the joined keys and values are handed out, or something behind them.
    cached: bool,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let count = |name: &str| node.int(name)?.map(|value| size_of(name, value)).transpose();
    let stage = match node.int_or("qk_matmul_output_mode", 0)? {
        0 => Stage::Products,
        1 => Stage::Masked,
        2 => Stage::Capped,
        3 => Stage::Softmax,
        other => {
            return Err(OpError::invalid(format!("qk_matmul_output_mode must be 0 to 3, got {other}")));
        }
    };
    let double = match node.int("softmax_precision")? {
        Some(number) => ElemType::from_onnx(i32::try_from(number).unwrap_or(-1))? == ElemType::F64,
        None => false,
    };
    boxed(Attention {
        heads: (count("q_num_heads")?, count("kv_num_heads")?),
        scale: node.float("scale")?,
        softcap: node.float_or("softcap", 0.0)?,
        causal: node.flag("is_causal", false)?,
        double,
        padded_mask: node.opset() >= 24,
        stage: node.has_output(3).then_some(stage),
        cached: (1..=3).any(|output| node.has_output(output)),
    })
}

/// The operands as heads.
struct Operands<'a, T> {
    queries: Heads<'a, T>,
    keys: Heads<'a, T>,
    values: Heads<'a, T>,
    /// Keys before the new ones.
    past: usize,
}

impl<'a, T: Real> Operands<'a, T> {
    fn new(op: &Attention, inputs: &'a Inputs) -> Result<Self> {
        let (query_heads, key_heads) = op.heads;
        let queries = Heads::new(inputs.tensor(0)?, query_heads)?;
        let (past_keys, past_values) = (inputs.opt_tensor(4)?, inputs.opt_tensor(5)?);
        let keys = Heads::new(inputs.tensor(1)?, key_heads)?.after(past_keys)?;
        let values = Heads::new(inputs.tensor(2)?, key_heads)?.after(past_values)?;
        let past = past_keys.map_or(0, |past| past.shape()[2]);
        let fits = queries.batch == keys.batch
            && (keys.batch, keys.heads, keys.len) == (values.batch, values.heads, values.len)
            && queries.width == keys.width
            && keys.heads > 0
            && queries.heads.is_multiple_of(keys.heads);
        if fits {
            return Ok(Self { queries, keys, values, past });
        }
        Err(OpError::invalid(format!(
            "queries {}, keys {} and values {} (batch x heads x tokens x features) do not fit",
            queries.describe(),
            keys.describe(),
            values.describe()
        )))
    }
}

impl Attention {
    fn run<T: Real>(&self, inputs: &Inputs) -> Result<Outputs> {
        let operands = Operands::<T>::new(self, inputs)?;
        let mask = Mask::new(self, inputs, &operands)?;
        let (out, kept) = self.attend(&operands, &mask)?;
        self.outputs(inputs, &operands, out, kept)
    }

    /// The answer as the queries lie, and what else is asked for.
    fn outputs<T: Real>(
        &self,
        inputs: &Inputs,
        operands: &Operands<'_, T>,
        out: Vec<T>,
        kept: Option<Vec<T>>,
    ) -> Result<Outputs> {
        let query = inputs.tensor(0)?;
        let (queries, values) = (&operands.queries, &operands.values);
        let out = if query.rank() == 3 {
            real::tensor(query.elem(), &[queries.batch, queries.len, queries.heads * values.width], out)?
        } else {
            real::tensor(query.elem(), &[queries.batch, queries.heads, queries.len, values.width], out)?
        };
        let mut outputs: Outputs = smallvec![Value::Tensor(out)];
        if self.cached {
            outputs.push(operands.keys.tensor(inputs.tensor(1)?.elem())?.into());
            outputs.push(operands.values.tensor(inputs.tensor(2)?.elem())?.into());
        }
        if let Some(kept) = kept {
            let shape = [queries.batch, queries.heads, queries.len, operands.keys.len];
            outputs.push(real::tensor(query.elem(), &shape, kept)?.into());
        }
        Ok(outputs)
    }

    /// The attended values as the queries lie, and the scores that are asked for.
    fn attend<T: Real>(
        &self,
        operands: &Operands<'_, T>,
        mask: &Mask<T>,
    ) -> Result<(Vec<T>, Option<Vec<T>>)> {
        let Operands { queries, keys, values, .. } = operands;
        let rows = [queries.batch, queries.heads, queries.len];
        let row_count = checked_len::<T>(&rows)?;
        let mut out = vec![T::zero(); checked_len::<T>(&[row_count, values.width])?];
        let score_count = checked_len::<T>(&[row_count, keys.len])?;
        let mut kept = self.stage.map(|_| Vec::with_capacity(score_count));
        let mut scores = Scores::new(queries.len, keys.len)?;
        let group = queries.heads / keys.heads;
        let width = values.width;
        let mut attended = vec![T::zero(); checked_len::<T>(&[queries.len, width])?];
        let place = queries.rows_of(width);
        for batch in 0..queries.batch {
            for head in 0..queries.heads {
                let scale = self.scale_of(queries.width);
                scores.multiply(queries.matrix(batch, head)?, keys.matrix(batch, head / group)?, scale)?;
                self.weigh(&mut scores, mask, (batch, head), kept.as_mut());
                scores.sum(values.matrix(batch, head / group)?, &mut attended, width)?;
                for (row, from) in attended.chunks_exact(width.max(1)).enumerate() {
                    let start = place.offset(batch, head) + row * place.row;
                    out[start..start + width].copy_from_slice(from);
                }
            }
        }
        Ok((out, kept))
    }

    fn scale_of<T: Real>(&self, width: usize) -> T {
        self.scale.map_or_else(|| T::one() / T::count(width).sqrt(), |scale| T::of(f64::from(scale)))
    }

    /// Makes products into weights, and keeps the stage that is asked for.
    fn weigh<T: Real>(
        &self,
        scores: &mut Scores<T>,
        mask: &Mask<T>,
        (batch, head): (usize, usize),
        mut kept: Option<&mut Vec<T>>,
    ) {
        let mut keep = |stage: Stage, scores: &Scores<T>| {
            if let Some(kept) = kept.as_mut().filter(|_| self.stage == Some(stage)) {
                kept.extend_from_slice(scores.all());
            }
        };
        keep(Stage::Products, scores);
        scores.each_row(|row, scores| mask.apply(batch, head, row, scores));
        keep(Stage::Masked, scores);
        if self.softcap > 0.0 {
            let cap = T::of(f64::from(self.softcap));
            scores.each_row(|_, row| row.iter_mut().for_each(|v| *v = (*v / cap).tanh() * cap));
        }
        keep(Stage::Capped, scores);
        // The cap makes the hidden ones finite again.
        if self.softcap > 0.0 {
            scores.each_row(|row, scores| mask.hide(batch, head, row, scores));
        }
        scores.softmax();
        keep(Stage::Softmax, scores);
    }
}

impl Op for Attention {
    fn infer(&self, inputs: &Facts<'_>, outputs: usize) -> Result<Vec<Fact>> {
        let width = match (inputs.shape(2).map(Vec::as_slice), self.heads) {
            (Some([_, _, SymDim::Known(hidden)]), (Some(queries), Some(keys))) if keys > 0 => {
                hidden.checked_div(keys).and_then(|width| width.checked_mul(queries)).map(SymDim::Known)
            }
            (Some([_, _, _, width]), _) => Some(width.clone()),
            _ => None,
        };
        let shape = inputs.shape(0).map(|shape| {
            let mut shape = shape.clone();
            if let Some(last) = shape.last_mut() {
                *last = width.unwrap_or(SymDim::Unknown);
            }
            shape
        });
        let any = |i| Fact::tensor(inputs.elem(i), Some(vec![SymDim::Unknown; 4]));
        Ok([Fact::tensor(inputs.elem(0), shape), any(1), any(2), any(0)].into_iter().take(outputs).collect())
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let elem = inputs.tensor(0)?.elem();
        if let Some(outputs) = self.by_kernel(&inputs)? {
            return Ok(outputs);
        }
        real!(if self.double { ElemType::F64 } else { elem }, T => self.run::<T>(&inputs))
    }
}

#[cfg(test)]
mod tests;
