//! `MatMul`: numpy's matrix product, with vectors and batches that are broadcast. Since opset 1; 9 adds
//! integers, 13 bf16.
//!
//! Operands are read where they lie: a transposed one needs no copy, and a batch times one matrix is a single
//! product.

use smallvec::SmallVec;

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim, SymShape},
    kernels::{
        gemm::{self, product},
        integer,
        matrix::{Layout, Mat, MatMut},
        parallel,
    },
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{Tensor, checked_len, dispatch},
};

use super::{
    broadcast,
    real::{self, Strided, real},
};

pub(super) const OPS: &[OpDef] = &[OpDef::onnx("MatMul", 1, |_| boxed(MatMul))];

/// `MatMul`.
#[derive(Debug)]
pub(crate) struct MatMul;

type Dims = SmallVec<[usize; 6]>;

/// The sizes of a batched product.
#[derive(Debug)]
pub(crate) struct Sizes {
    pub(crate) batch: Dims,
    pub(crate) m: usize,
    pub(crate) k: usize,
    pub(crate) n: usize,
    /// The shape of the result, without the axes that vectors lack.
    pub(crate) shape: Dims,
    /// The operands' shapes as matrices.
    pub(crate) left: Dims,
    pub(crate) right: Dims,
}

impl Sizes {
    /// The sizes of a product of these shapes.
    ///
    /// # Errors
    /// `Invalid` where they do not fit.
    pub(crate) fn new(a: &[usize], b: &[usize]) -> Result<Self> {
        let misfit = || OpError::invalid(format!("cannot multiply {a:?} by {b:?}"));
        let left: Dims = if a.len() == 1 { Dims::from_slice(&[1, a[0]]) } else { a.into() };
        let right: Dims = if b.len() == 1 { Dims::from_slice(&[b[0], 1]) } else { b.into() };
        let ([a_batch @ .., m, k], [b_batch @ .., depth, n]) = (&left[..], &right[..]) else {
            return Err(misfit());
        };
        if k != depth {
            return Err(misfit());
        }
        let batch = broadcast::shape(a_batch, b_batch).map_err(|_| misfit())?;
        let rows = (a.len() > 1).then_some(*m);
        let cols = (b.len() > 1).then_some(*n);
        let shape = batch.iter().copied().chain(rows).chain(cols).collect();
        Ok(Self { m: *m, k: *k, n: *n, batch, shape, left: left.clone(), right: right.clone() })
    }
}

/// The result's dimensions as far as they are known.
pub(crate) fn infer_shape(a: &SymShape, b: &SymShape) -> Option<SymShape> {
    let rows = (a.len() > 1).then(|| a[a.len() - 2].clone());
    let cols = (b.len() > 1).then(|| b[b.len() - 1].clone());
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let batch = |shape: &SymShape| -> Vec<SymDim> { shape[..shape.len().saturating_sub(2)].to_vec() };
    let mut shape = broadcast::symbolic(&batch(a), &batch(b));
    shape.extend(rows);
    shape.extend(cols);
    Some(shape)
}

impl Op for MatMul {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let shape = inputs.shape(0).zip(inputs.shape(1)).and_then(|(a, b)| infer_shape(a, b));
        Ok(vec![Fact::tensor(inputs.elem(0).or(inputs.elem(1)), shape)])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (a, b) = (inputs.tensor(0)?, inputs.tensor(1)?);
        if a.elem() != b.elem() {
            return Err(OpError::invalid(format!("cannot multiply {} by {}", a.elem(), b.elem())));
        }
        let sizes = Sizes::new(a.shape(), b.shape())?;
        if a.elem().is_int() {
            return one(integers(&sizes, a, b)?);
        }
        one(floats(&sizes, a, b)?)
    }
}

fn floats(sizes: &Sizes, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    real!(a.elem(), T => {
        let mut out = vec![T::default(); checked_len::<T>(&sizes.shape)?];
        let (left, right) = (Strided::<T>::new(a)?, Strided::<T>::new(b)?);
        let plan = Plan::new(sizes, (a.rank(), &left.strides), (b.rank(), &right.strides))?;
        let (left_all, right_all) = (left.all(), right.all());
        let one_product = |i: usize, chunk: &mut [T]| {
            let (from_left, from_right) = plan.offsets(i);
            product(
                MatMut::new(chunk, plan.left.rows, sizes.n)?,
                gemm::Into::Replace,
                1.0,
                Mat::new(left_all, left.start + from_left, plan.left)?,
                Mat::new(right_all, right.start + from_right, plan.right)?,
            )
        };
        let chunk = plan.left.rows * sizes.n;
        let steps = if plan.products() > 1 { out.len().saturating_mul(sizes.k) } else { 0 };
        parallel::chunks(&mut out, chunk, steps, one_product)?;
        real::tensor(a.elem(), &sizes.shape, out)
    })
}

/// How a batched product is run: over operands as they lie, several matrices as one where they lie so.
struct Plan {
    batch: Dims,
    left_steps: Dims,
    right_steps: Dims,
    left: Layout,
    right: Layout,
}

impl Plan {
    /// Operands come as their ranks and strides.
    fn new(sizes: &Sizes, a: (usize, &[usize]), b: (usize, &[usize])) -> Result<Self> {
        let left = matrix_strides(a.1, (a.0 == 1).then_some((0, 1)));
        let right = matrix_strides(b.1, (b.0 == 1).then_some((1, 0)));
        let layout = |strides: &[usize], rows, cols| {
            let (row_stride, col_stride) = (strides[strides.len() - 2], strides[strides.len() - 1]);
            Layout { rows, cols, row_stride, col_stride }
        };
        let batch_of = |dims: &[usize], strides: &[usize]| {
            let axes = dims.len() - 2;
            broadcast::strides(&dims[..axes], &strides[..axes], &sizes.batch)
        };
        let plan = Self {
            left_steps: batch_of(&sizes.left, &left)?,
            right_steps: batch_of(&sizes.right, &right)?,
            left: layout(&left, sizes.m, sizes.k),
            right: layout(&right, sizes.k, sizes.n),
            batch: sizes.batch.clone(),
        };
        Ok(plan.joined())
    }

    /// A batch of evenly spaced left matrices times one right matrix, as one product.
    fn joined(mut self) -> Self {
        let even = |(axis, &size): (usize, &usize)| {
            let inner: usize = self.batch[axis + 1..].iter().product();
            size == 1 || self.left_steps[axis] == inner * self.left.rows * self.left.row_stride
        };
        let one_right = self.batch.iter().zip(&self.right_steps).all(|(&size, &step)| size == 1 || step == 0);
        if one_right && self.batch.iter().enumerate().all(even) {
            self.left.rows *= self.batch.iter().product::<usize>();
            self.batch.clear();
            self.left_steps.clear();
            self.right_steps.clear();
        }
        self
    }

    fn products(&self) -> usize {
        self.batch.iter().product()
    }

    /// Where the operands of product `i` begin.
    fn offsets(&self, mut i: usize) -> (usize, usize) {
        let mut offsets = (0, 0);
        for axis in (0..self.batch.len()).rev() {
            let index = i % self.batch[axis].max(1);
            i /= self.batch[axis].max(1);
            offsets.0 += index * self.left_steps[axis];
            offsets.1 += index * self.right_steps[axis];
        }
        offsets
    }
}

/// Strides with the axis that a vector lacks.
fn matrix_strides(strides: &[usize], vector: Option<(usize, usize)>) -> Dims {
    match (vector, strides) {
        (Some((0, _)), [stride]) => Dims::from_slice(&[0, *stride]),
        (Some(_), [stride]) => Dims::from_slice(&[*stride, 0]),
        _ => strides.into(),
    }
}

fn integers(sizes: &Sizes, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    dispatch!(a.elem(), Int, T => {
        let mut out = vec![T::default(); checked_len::<T>(&sizes.shape)?];
        integer_product(sizes, &a.view::<T>()?, &b.view::<T>()?, &mut out)?;
        Tensor::from_vec(&sizes.shape[..], out)
    })
}

/// The batched product of dense operands.
///
/// # Errors
/// `Invalid` where a slice is too short.
pub(super) fn integer_product<T: integer::Integer>(
    sizes: &Sizes,
    a: &[T],
    b: &[T],
    out: &mut [T],
) -> Result<()> {
    let (left, right) = (real::dense_strides(&sizes.left), real::dense_strides(&sizes.right));
    let plan = Plan::new(sizes, (sizes.left.len(), &left), (sizes.right.len(), &right))?;
    let short = || OpError::invalid("an operand is shorter than its shape");
    let (m, k, n) = (plan.left.rows, sizes.k, sizes.n);
    for (i, chunk) in out.chunks_mut((m * n).max(1)).enumerate() {
        let (from_left, from_right) = plan.offsets(i);
        let left = a.get(from_left..from_left + m * k).ok_or_else(short)?;
        let right = b.get(from_right..from_right + k * n).ok_or_else(short)?;
        integer::add_product(chunk, left, right, k, n);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(a: &Tensor, b: &Tensor) -> Tensor {
        floats(&Sizes::new(a.shape(), b.shape()).unwrap(), a, b).unwrap()
    }

    fn counting(shape: &[usize]) -> Tensor {
        Tensor::from_vec(shape, (0..shape.iter().product::<usize>()).map(|i| i as f32).collect()).unwrap()
    }

    #[test]
    fn vectors_lose_their_axes() {
        let table: [(&[usize], &[usize], &[usize]); 5] = [
            (&[3], &[3], &[]),
            (&[3], &[3, 2], &[2]),
            (&[2, 3], &[3], &[2]),
            (&[4, 1, 2, 3], &[5, 3, 2], &[4, 5, 2, 2]),
            (&[2, 0], &[0, 3], &[2, 3]),
        ];
        for (a, b, expected) in table {
            assert_eq!(&run(&counting(a), &counting(b)).shape()[..], expected);
        }
        assert_eq!(run(&counting(&[3]), &counting(&[3])).to_vec::<f32>().unwrap(), [5.0]);
    }

    #[test]
    fn a_batch_times_a_transposed_view_matches_its_copy() {
        let (a, b) = (counting(&[2, 3, 4]), counting(&[2, 5, 4]));
        let turned = Tensor::from_candle(b.candle().unwrap().transpose(1, 2).unwrap()).unwrap();
        let copied = Tensor::from_vec(turned.shape().clone(), turned.to_vec::<f32>().unwrap()).unwrap();
        assert_eq!(run(&a, &turned).to_vec::<f32>().unwrap(), run(&a, &copied).to_vec::<f32>().unwrap());
    }

    #[test]
    fn a_joined_batch_matches_one_by_one() {
        let (a, b) = (counting(&[3, 2, 4]), counting(&[4, 2]));
        let many = Tensor::from_vec(&[3usize, 4, 2][..], b.to_vec::<f32>().unwrap().repeat(3)).unwrap();
        assert_eq!(run(&a, &b).to_vec::<f32>().unwrap(), run(&a, &many).to_vec::<f32>().unwrap());
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        assert!(Sizes::new(&[2, 3], &[2, 3]).is_err());
        assert!(Sizes::new(&[], &[3]).is_err());
        assert!(Sizes::new(&[2, 2, 3], &[3, 3, 3]).is_err());
    }
}
