//! `Trilu` (since opset 14) and `EyeLike` (since 9): triangles and diagonals of matrices.

use half::{bf16, f16};

use crate::{
    error::{OpError, Result},
    graph::Fact,
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{Bool, ElemType, Element, Tensor, checked_len, dispatch},
};

use super::shapes::one_fact;

pub(super) const OPS: &[OpDef] = &[
    OpDef::onnx("Trilu", 14, |node| boxed(Trilu { upper: node.flag("upper", true)? })),
    OpDef::onnx("EyeLike", 9, |node| boxed(EyeLike::parse(node)?)),
];

#[derive(Debug)]
struct Trilu {
    upper: bool,
}

impl Op for Trilu {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        one_fact(inputs.elem(0), inputs.shape(0).cloned())
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let diagonal = inputs.opt_tensor(1)?.map_or(Ok(0), Tensor::to_scalar::<i64>)?;
        let &[.., rows, columns] = &input.shape()[..] else {
            return Err(OpError::invalid(format!("expected matrices, got {}", input.shape())));
        };
        if input.is_empty() {
            return one(input.clone());
        }
        one(dispatch!(input.elem(), Any, T => {
            let mut data = input.to_vec::<T>()?;
            for (i, row) in data.chunks_exact_mut(columns).enumerate() {
                // The first column on or above the diagonal.
                let first = (i % rows).cast_signed() as i64;
                let first = first.saturating_add(diagonal);
                let (below, above) = (clamp(first, columns), clamp(first.saturating_add(1), columns));
                if self.upper { row[..below].fill(T::default()) } else { row[above..].fill(T::default()) }
            }
            Tensor::from_vec(input.shape().clone(), data)
        })?)
    }
}

fn clamp(column: i64, columns: usize) -> usize {
    usize::try_from(column.max(0)).map_or(columns, |column| column.min(columns))
}

#[derive(Debug)]
struct EyeLike {
    /// The result's elements, the input's where left out.
    elem: Option<ElemType>,
    diagonal: i64,
}

impl EyeLike {
    fn parse(node: &NodeDef<'_>) -> Result<Self> {
        let number = node.int("dtype")?.map(i32::try_from).transpose();
        let number = number.map_err(|_| OpError::invalid("attribute 'dtype' is no ONNX element type"))?;
        Ok(Self { elem: number.map(ElemType::from_onnx).transpose()?, diagonal: node.int_or("k", 0)? })
    }
}

impl Op for EyeLike {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        one_fact(self.elem.or_else(|| inputs.elem(0)), inputs.shape(0).cloned())
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let &[rows, columns] = &input.shape()[..] else {
            return Err(OpError::invalid(format!("expected a matrix, got {}", input.shape())));
        };
        let elem = self.elem.unwrap_or(input.elem());
        let ones = (0i64..).take(rows).enumerate().filter_map(|(i, row)| {
            let column = usize::try_from(row.checked_add(self.diagonal)?).ok()?;
            (column < columns).then(|| i * columns + column)
        });
        let shape = [rows, columns];
        one(match elem {
            ElemType::Bool => marked(&shape, ones, Bool::new(true)),
            ElemType::F16 => marked(&shape, ones, f16::ONE),
            ElemType::BF16 => marked(&shape, ones, bf16::ONE),
            ElemType::F32 => marked(&shape, ones, 1f32),
            ElemType::F64 => marked(&shape, ones, 1f64),
            elem => dispatch!(elem, Int, T => marked(&shape, ones, T::from(true))),
        }?)
    }
}

/// Zeros, but `mark` at `places`.
fn marked<T: Element + Copy>(
    shape: &[usize],
    places: impl Iterator<Item = usize>,
    mark: T,
) -> Result<Tensor> {
    let mut data = vec![T::default(); checked_len::<T>(shape)?];
    places.for_each(|place| data[place] = mark);
    Tensor::from_vec(shape, data)
}
