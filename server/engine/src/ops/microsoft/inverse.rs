//! `Inverse`: of each square matrix, by elimination in f64 with partial pivots.

use crate::{
    error::{OpError, Result},
    graph::Fact,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{ElemType, Tensor},
};

pub(super) const OPS: &[OpDef] = &[OpDef::microsoft("Inverse", |_| boxed(Inverse))];

#[derive(Debug)]
struct Inverse;

impl Op for Inverse {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        Ok(vec![Fact::tensor(inputs.elem(0), inputs.shape(0).cloned())])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let &[.., rows, columns] = &input.shape()[..] else { return Err(square(input)) };
        if rows != columns {
            return Err(square(input));
        }
        let shape = input.shape().clone();
        match input.elem() {
            ElemType::F32 => {
                let wide = input.view::<f32>()?.iter().map(|&v| f64::from(v)).collect();
                one(Tensor::from_vec(shape, all(wide, rows)?.iter().map(|&v| v as f32).collect())?)
            }
            ElemType::F64 => one(Tensor::from_vec(shape, all(input.to_vec()?, rows)?)?),
            other => Err(OpError::unsupported(format!("not supported for elements of {other}"))),
        }
    }
}

fn square(input: &Tensor) -> OpError {
    OpError::invalid(format!("expected square matrices, got shape {}", input.shape()))
}

fn all(mut elements: Vec<f64>, size: usize) -> Result<Vec<f64>> {
    let area = (size * size).max(1);
    elements.chunks_exact_mut(area).try_for_each(|matrix| invert(matrix, size))?;
    Ok(elements)
}

/// Inverts one matrix in place (Gauss and Jordan).
fn invert(matrix: &mut [f64], size: usize) -> Result<()> {
    let mut order: Vec<usize> = (0..size).collect();
    for step in 0..size {
        let size_of = |row: usize, matrix: &[f64]| matrix[row * size + step].abs();
        let pivot = (step..size).max_by(|&a, &b| size_of(a, matrix).total_cmp(&size_of(b, matrix)));
        let pivot = pivot.filter(|&row| size_of(row, matrix) > 0.0);
        let pivot = pivot.ok_or_else(|| OpError::invalid("a matrix is singular and has no inverse"))?;
        (0..size).for_each(|column| matrix.swap(step * size + column, pivot * size + column));
        order.swap(step, pivot);
        let divisor = matrix[step * size + step];
        matrix[step * size + step] = 1.0;
        matrix[step * size..(step + 1) * size].iter_mut().for_each(|v| *v /= divisor);
        for row in (0..size).filter(|&row| row != step) {
            let factor = std::mem::take(&mut matrix[row * size + step]);
            for column in 0..size {
                matrix[row * size + column] -= factor * matrix[step * size + column];
            }
        }
    }
    let turned = matrix.to_vec();
    for (from, &to) in order.iter().enumerate() {
        (0..size).for_each(|row| matrix[row * size + to] = turned[row * size + from]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_times_its_inverse_is_one() {
        let matrix = [0.0, 2.0, 1.0, 1.0, 0.0, 3.0, 4.0, 1.0, 0.0];
        let inverse = all(matrix.to_vec(), 3).unwrap();
        for row in 0..3 {
            for column in 0..3 {
                let sum: f64 = (0..3).map(|i| matrix[row * 3 + i] * inverse[i * 3 + column]).sum();
                assert!((sum - f64::from(u8::from(row == column))).abs() < 1e-12, "{row} {column} {sum}");
            }
        }
        assert!(all(vec![1.0, 2.0, 2.0, 4.0], 2).is_err());
        assert!(all(vec![], 0).unwrap().is_empty());
    }
}
