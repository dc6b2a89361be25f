//! `RotaryEmbedding`: pairs of features turned by the angle of their position (RoPE, arXiv:2104.09864).
//! Since opset 23.
//!
//! The input is `[batch, heads, tokens, head]` or `[batch, tokens, heads * head]`; the caches hold half as
//! many columns as there are features to turn.

use crate::{
    error::{OpError, Result},
    graph::Fact,
    kernels::real::Real,
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{Tensor, checked_len},
};

use super::{
    real::{self, Elements, elements, real},
    window::size_of,
};

pub(super) const OPS: &[OpDef] = &[OpDef::onnx("RotaryEmbedding", 23, parse)];

#[derive(Debug)]
struct Rotary {
    /// Whether a pair lies side by side, and not in the two halves.
    interleaved: bool,
    /// Features that are turned; 0 is all.
    turned: usize,
    /// Heads of an input of rank 3.
    heads: usize,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    boxed(Rotary {
        interleaved: node.flag("interleaved", false)?,
        turned: size_of("rotary_embedding_dim", node.int_or("rotary_embedding_dim", 0)?)?,
        heads: size_of("num_heads", node.int_or("num_heads", 0)?)?,
    })
}

/// Where heads and tokens lie, both as numbers of rows of `size` features.
#[derive(Clone, Copy)]
struct Rows {
    tokens: usize,
    heads: usize,
    size: usize,
    heads_first: bool,
}

impl Rows {
    /// The batch and token of row `row`.
    fn token(&self, row: usize) -> (usize, usize) {
        let batch = row / (self.tokens * self.heads);
        let token = if self.heads_first { row % self.tokens } else { row / self.heads % self.tokens };
        (batch, token)
    }
}

/// The cosines and sines of every token.
struct Angles<'a, T> {
    cos: Elements<'a, T>,
    sin: Elements<'a, T>,
    /// The row of each token of each batch; `None` where rows are in that order.
    rows: Option<Vec<usize>>,
    columns: usize,
}

impl Rotary {
    fn rows(&self, shape: &[usize]) -> Result<Rows> {
        match *shape {
            [_, heads, tokens, size] => Ok(Rows { tokens, heads, size, heads_first: true }),
            [_, tokens, hidden] if self.heads > 0 && hidden.is_multiple_of(self.heads) => {
                Ok(Rows { tokens, heads: self.heads, size: hidden / self.heads, heads_first: false })
            }
            _ => Err(OpError::invalid(format!(
                "expected [batch, heads, tokens, head], or [batch, tokens, hidden] with num_heads, got {shape:?}"
            ))),
        }
    }

    fn turn<T: Real>(&self, row: &mut [T], cos: &[T], sin: &[T]) {
        let half = cos.len();
        for (i, (&cos, &sin)) in cos.iter().zip(sin).enumerate() {
            let (a, b) = if self.interleaved { (2 * i, 2 * i + 1) } else { (i, half + i) };
            (row[a], row[b]) = (cos * row[a] - sin * row[b], sin * row[a] + cos * row[b]);
        }
    }

    fn run<T: Real>(&self, inputs: &Inputs) -> Result<Tensor> {
        let input = inputs.tensor(0)?;
        let rows = self.rows(input.shape())?;
        let turned = if self.turned == 0 { rows.size } else { self.turned };
        if turned > rows.size || !turned.is_multiple_of(2) {
            return Err(OpError::invalid(format!("cannot turn {turned} of {} features", rows.size)));
        }
        let angles = Angles::<T>::new(inputs, input.shape()[0], rows.tokens)?;
        if angles.columns < turned / 2 {
            let came = angles.columns;
            return Err(OpError::invalid(format!(
                "the caches have {came} columns, fewer than {}",
                turned / 2
            )));
        }
        checked_len::<T>(input.shape())?;
        let mut out = elements::<T>(input)?.to_vec();
        for (i, row) in out.chunks_exact_mut(rows.size.max(1)).enumerate() {
            let (batch, token) = rows.token(i);
            let (cos, sin) = angles.of(batch * rows.tokens + token, turned / 2);
            self.turn(row, cos, sin);
        }
        real::tensor(input.elem(), input.shape(), out)
    }
}

impl<'a, T: Real> Angles<'a, T> {
    fn new(inputs: &'a Inputs, batch: usize, tokens: usize) -> Result<Self> {
        let (cos, sin, positions) = (inputs.tensor(1)?, inputs.tensor(2)?, inputs.opt_tensor(3)?);
        let count = batch * tokens;
        let misfit = || {
            OpError::invalid(format!(
                "caches {} and {} do not fit {batch} batches of {tokens} tokens",
                cos.shape(),
                sin.shape()
            ))
        };
        let columns = *cos.shape().last().ok_or_else(misfit)?;
        let available = cos.shape().iter().rev().skip(1).product::<usize>();
        if cos.shape() != sin.shape() || (positions.is_none() && available != count) {
            return Err(misfit());
        }
        let rows = positions.map(|positions| rows_of(positions, count, available)).transpose()?;
        Ok(Self { cos: elements(cos)?, sin: elements(sin)?, rows, columns })
    }

    /// The first `len` of a token's cosines and sines.
    fn of(&self, token: usize, len: usize) -> (&[T], &[T]) {
        let start = self.rows.as_ref().map_or(token, |rows| rows[token]) * self.columns;
        (&self.cos[start..start + len], &self.sin[start..start + len])
    }
}

/// The positions of `count` tokens, each a row of the caches.
fn rows_of(positions: &Tensor, count: usize, available: usize) -> Result<Vec<usize>> {
    let row = |position: i64| {
        usize::try_from(position).ok().filter(|&row| row < available).ok_or_else(|| {
            OpError::invalid(format!("position {position} is outside caches of {available} rows"))
        })
    };
    let rows = positions.to_ints()?.into_iter().map(row).collect::<Result<Vec<_>>>()?;
    if rows.len() == count {
        return Ok(rows);
    }
    Err(OpError::invalid(format!("expected the positions of {count} tokens, got {}", rows.len())))
}

impl Op for Rotary {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        Ok(vec![Fact::tensor(inputs.elem(0), inputs.shape(0).cloned())])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        one(real!(inputs.tensor(0)?.elem(), T => self.run::<T>(&inputs))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(rotary: &Rotary, positions: Vec<i64>) -> Result<Vec<f32>> {
        let tensor = |shape: &[usize], data: Vec<f32>| Tensor::from_vec(shape, data).map(Into::into);
        let positions = Tensor::from_vec(vec![1, 1], positions)?;
        let inputs = Inputs::new(vec![
            Some(tensor(&[1, 1, 4], vec![1.0, 2.0, 3.0, 4.0])?),
            Some(tensor(&[2, 2], vec![1.0, 1.0, 0.0, 0.0])?),
            Some(tensor(&[2, 2], vec![0.0, 0.0, 1.0, 1.0])?),
            Some(positions.into()),
        ]);
        rotary.run::<f32>(&inputs)?.to_vec()
    }

    #[test]
    fn a_quarter_turn_swaps_each_pair() {
        let rotary = Rotary { interleaved: false, turned: 0, heads: 1 };
        assert_eq!(run(&rotary, vec![1]).unwrap(), [-3.0, -4.0, 1.0, 2.0]);
        assert_eq!(run(&rotary, vec![0]).unwrap(), [1.0, 2.0, 3.0, 4.0]);
        let rotary = Rotary { interleaved: true, turned: 2, heads: 1 };
        assert_eq!(run(&rotary, vec![1]).unwrap(), [-2.0, 1.0, 3.0, 4.0]);
    }

    #[test]
    fn a_position_outside_the_caches_is_an_error() {
        let rotary = Rotary { interleaved: false, turned: 0, heads: 1 };
        assert!(run(&rotary, vec![2]).unwrap_err().to_string().contains("position 2"));
        assert!(run(&rotary, vec![-1]).is_err());
        assert!(run(&Rotary { turned: 3, ..rotary }, vec![0]).is_err());
    }
}
