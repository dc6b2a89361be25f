//! `Transpose`, since opset 1: dimensions in another order, the reverse one by default.
//!
//! The result is compact: its readers walk it many times, the copy happens once.

use girandole_kernels::layout;

use crate::{
    error::{OpError, Result},
    graph::Fact,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{ElemType, Element, Tensor},
};

use super::{
    kernels::{Walk, strided},
    shapes::{self, one_fact, strides},
};

pub(super) const OPS: &[OpDef] =
    &[OpDef::onnx("Transpose", 1, |node| boxed(Transpose { order: node.ints("perm")? }))];

/// `Transpose`.
#[derive(Debug)]
pub(crate) struct Transpose {
    /// The input's dimension for each of the output's; `None` reverses them.
    pub(crate) order: Option<Vec<i64>>,
}

impl Transpose {
    /// A transpose by an order that names each dimension once.
    pub(crate) fn new(order: impl IntoIterator<Item = usize>) -> Self {
        Self { order: Some(order.into_iter().map(|axis| axis as i64).collect()) }
    }

    /// The input's dimension for each of the output's.
    ///
    /// # Errors
    /// `Invalid` where the order does not name `rank` dimensions.
    pub(crate) fn order(&self, rank: usize) -> Result<Vec<usize>> {
        let Some(order) = &self.order else { return Ok((0..rank).rev().collect()) };
        if order.len() != rank {
            return Err(OpError::invalid(format!(
                "attribute 'perm' names {} dimensions of a tensor of {rank}",
                order.len()
            )));
        }
        shapes::axes(order, rank)
    }
}

impl Op for Transpose {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let Some(shape) = inputs.shape(0) else { return one_fact(inputs.elem(0), None) };
        let order = self.order(shape.len())?;
        one_fact(inputs.elem(0), Some(order.iter().map(|&i| shape[i].clone()).collect()))
    }

    fn movement(&self, shape: &[usize], _inputs: &Inputs) -> Option<Result<Vec<Walk>>> {
        Some(self.order(shape.len()).map(|order| vec![walk(shape, &order)]))
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        one(permuted(input, &self.order(input.rank())?)?)
    }
}

/// `tensor` with its dimensions in `order`, which names each once.
pub(crate) fn permuted(tensor: &Tensor, order: &[usize]) -> Result<Tensor> {
    let dims = tensor.shape();
    let shape: Vec<usize> = order.iter().map(|&i| dims[i]).collect();
    // Where only dimensions of size 1 move, the elements stay in order.
    let moving: Vec<usize> = order.iter().copied().filter(|&i| dims[i] != 1).collect();
    if moving.is_sorted() {
        return tensor.reshape(shape);
    }
    if let Some(matrices) = Matrices::new(dims, &moving)
        && let Some(moved) = matrices.transposed(tensor, &shape)
    {
        return moved;
    }
    strided(tensor, walk(dims, order))
}

/// The elements of a tensor of these dimensions with them in `order`.
fn walk(dims: &[usize], order: &[usize]) -> Walk {
    let strides = strides(dims);
    Walk {
        shape: order.iter().map(|&i| dims[i]).collect(),
        strides: order.iter().map(|&i| strides[i].cast_signed()).collect(),
        start: 0,
    }
}

/// An order that swaps two neighbouring groups of dimensions, the last ones: matrices side by side.
struct Matrices {
    batch: usize,
    rows: usize,
    columns: usize,
}

impl Matrices {
    /// `moving` names the dimensions that are not 1, in the order of the result.
    fn new(dims: &[usize], moving: &[usize]) -> Option<Self> {
        let mut sorted = moving.to_vec();
        sorted.sort_unstable();
        let kept = moving.iter().zip(&sorted).take_while(|(a, b)| a == b).count();
        let (moved, there) = (&moving[kept..], &sorted[kept..]);
        let rows = there.iter().position(|axis| Some(axis) == moved.first())?;
        let swapped = there[rows..].iter().chain(&there[..rows]).eq(moved);
        let size = |axes: &[usize]| axes.iter().map(|&axis| dims[axis]).product();
        swapped.then(|| Self {
            batch: size(&sorted[..kept]),
            rows: size(&there[..rows]),
            columns: size(&there[rows..]),
        })
    }

    /// The transposed matrices as `shape`; `None` for elements that are no plain numbers.
    fn transposed(&self, tensor: &Tensor, shape: &[usize]) -> Option<Result<Tensor>> {
        fn typed<T: Element + Copy>(matrices: &Matrices, tensor: &Tensor, shape: &[usize]) -> Result<Tensor> {
            let Matrices { batch, rows, columns } = *matrices;
            let moved = layout::transposed(&tensor.view::<T>()?, batch, rows, columns);
            Tensor::from_vec(shape, moved.ok_or_else(|| OpError::invalid("a transpose does not fit"))?)
        }
        Some(match tensor.elem() {
            ElemType::F32 => typed::<f32>(self, tensor, shape),
            ElemType::F16 => typed::<half::f16>(self, tensor, shape),
            ElemType::I64 => typed::<i64>(self, tensor, shape),
            ElemType::I32 => typed::<i32>(self, tensor, shape),
            ElemType::U8 => typed::<u8>(self, tensor, shape),
            ElemType::I8 => typed::<i8>(self, tensor, shape),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn a_transpose_undone_is_the_identity(
            dims in proptest::collection::vec(1usize..9, 4),
            order in Just(vec![0usize, 1, 2, 3]).prop_shuffle(),
        ) {
            let len: usize = dims.iter().product();
            let data: Vec<f32> = (0u16..).take(len).map(f32::from).collect();
            let tensor = Tensor::from_vec(dims, data.clone()).unwrap();
            let mut back = vec![0; 4];
            order.iter().enumerate().for_each(|(i, &from)| back[from] = i);
            let again = permuted(&permuted(&tensor, &order).unwrap(), &back).unwrap();
            prop_assert_eq!(again.shape(), tensor.shape());
            prop_assert_eq!(again.to_vec::<f32>().unwrap(), data);
        }
    }

    #[test]
    fn swapped_groups_are_matrices() {
        let matrices = |dims: &[usize], moving: &[usize]| {
            Matrices::new(dims, moving).map(|matrices| (matrices.batch, matrices.rows, matrices.columns))
        };
        assert_eq!(matrices(&[2, 3], &[1, 0]), Some((1, 2, 3)));
        assert_eq!(matrices(&[2, 3, 4, 5], &[0, 2, 3, 1]), Some((2, 3, 20)));
        assert_eq!(matrices(&[2, 3, 4, 5], &[0, 3, 1, 2]), Some((2, 12, 5)));
        assert_eq!(matrices(&[2, 3, 4, 5], &[0, 1, 3, 2]), Some((6, 4, 5)));
        assert_eq!(matrices(&[2, 1, 4, 5], &[3, 0, 2]), Some((1, 8, 5)));
        assert_eq!(matrices(&[2, 3, 4, 5], &[0, 2, 1, 3]), None);
        assert_eq!(matrices(&[2, 3, 4, 5], &[3, 2, 1, 0]), None);
    }

    #[test]
    fn an_order_must_name_every_dimension_once() {
        let order = |order: &[i64]| Transpose { order: Some(order.to_vec()) }.order(2);
        assert!(order(&[1, 0]).is_ok());
        assert!(order(&[0, 0]).is_err());
        assert!(order(&[0]).is_err());
        assert!(order(&[0, 2]).is_err());
    }
}
