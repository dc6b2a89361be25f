//! `Det`: determinants of square matrices, in f64. Since opset 11; 22 adds bf16.

use super::wide;
use crate::{
    error::{OpError, Result},
    graph::Fact,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
};

pub(crate) const OPS: &[OpDef] = &[OpDef::onnx("Det", 11, |_| boxed(Det))];

#[derive(Debug)]
struct Det;

impl Op for Det {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let batch =
            inputs.shape(0).and_then(|shape| shape.split_last_chunk::<2>().map(|(batch, _)| batch.to_vec()));
        Ok(vec![Fact::tensor(inputs.elem(0), batch)])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let (batch, size) = match input.shape().split_last_chunk::<2>() {
            Some((batch, &[rows, columns])) if rows == columns => (batch, rows),
            _ => return Err(OpError::invalid(format!("expected square matrices, got {}", input.shape()))),
        };
        let mut data = wide::floats(input)?;
        let determinants: Vec<f64> = match size {
            // The product of nothing.
            0 => vec![1.0; batch.iter().product()],
            _ => data.chunks_exact_mut(size * size).map(|matrix| determinant(matrix, size)).collect(),
        };
        one(wide::tensor(input.elem(), batch, &determinants)?)
    }
}

/// The determinant, by elimination with the largest pivot of each column.
fn determinant(matrix: &mut [f64], size: usize) -> f64 {
    let mut product = 1.0;
    for column in 0..size {
        let magnitude = |row: &usize| matrix[row * size + column].abs();
        let best = (column..size).max_by(|a, b| magnitude(a).total_cmp(&magnitude(b))).unwrap_or(column);
        let pivot = matrix[best * size + column];
        product *= if best == column { pivot } else { -pivot };
        if pivot == 0.0 {
            return 0.0;
        }
        (0..size).for_each(|i| matrix.swap(best * size + i, column * size + i));
        for row in column + 1..size {
            let factor = matrix[row * size + column] / pivot;
            (column..size).for_each(|i| matrix[row * size + i] -= factor * matrix[column * size + i]);
        }
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_swapped_where_the_pivot_is_zero() {
        assert_eq!(determinant(&mut [0.0, 2.0, 3.0, 4.0], 2), -6.0);
        assert_eq!(determinant(&mut [1.0, 2.0, 2.0, 4.0], 2), 0.0);
        let mut matrix = [2.0, 0.0, 1.0, 1.0, 3.0, 2.0, 1.0, 1.0, 4.0];
        assert!((determinant(&mut matrix, 3) - 18.0).abs() < 1e-12);
    }
}
