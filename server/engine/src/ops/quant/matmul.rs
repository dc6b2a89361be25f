//! Products of bytes: `MatMulInteger` (sums), `QLinearMatMul` (sums on a grid), and ONNX Runtime's
//! `MatMulIntegerToFloat` (sums times scales) and `DynamicQuantizeMatMul` (which quantizes its input first).
//!
//! A right operand that the model fixes is packed when the model is loaded; its input is then left out.

use std::sync::Arc;

use girandole_kernels::integer::{self, Into, Left, Right};

use super::{
    bytes::{Bytes, Weights, each, misfit, scales, spread, zeros},
    sizes::Sizes,
};
use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{ElemType, Tensor},
};

pub(crate) const OPS: &[OpDef] = &[
    OpDef::onnx("MatMulInteger", 10, |_| boxed(IntegerMatMul::new(Form::Sums))),
    OpDef::onnx("QLinearMatMul", 10, |_| boxed(IntegerMatMul::new(Form::Grid))),
    OpDef::microsoft("MatMulIntegerToFloat", |_| boxed(IntegerMatMul::new(Form::Float))),
    OpDef::microsoft("DynamicQuantizeMatMul", |_| boxed(IntegerMatMul::new(Form::Dynamic))),
];

/// What the operator makes of its inputs and of the sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `A, B, zero A, zero B`.
    Sums,
    /// `A, scale A, zero A, B, scale B, zero B, scale Y, zero Y`.
    Grid,
    /// `A, B, scale A, scale B, zero A, zero B, bias`; a scale of A that is left out is 1.
    Float,
    /// `A, B, scale B, zero B, bias`.
    Dynamic,
}

impl Form {
    /// Which input is the right operand.
    pub(crate) const fn right(self) -> usize {
        match self {
            Self::Grid => 3,
            Self::Sums | Self::Float | Self::Dynamic => 1,
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct IntegerMatMul {
    pub(crate) form: Form,
    pub(crate) packed: Option<Arc<Right>>,
}

impl IntegerMatMul {
    const fn new(form: Form) -> Self {
        Self { form, packed: None }
    }

    /// The same operator over a constant right operand; `None` where that is no matrix of bytes.
    pub(crate) fn packed(&self, right: &Tensor) -> Option<Self> {
        let [depth, columns] = right.shape()[..] else { return None };
        let bytes = Bytes::of(right).ok()?;
        let packed = bytes.right(bytes.raw(), depth, columns).ok()?;
        Some(Self { packed: Some(Arc::new(packed)), ..*self })
    }

    /// The columns of a right operand that is a matrix.
    fn columns(&self, inputs: &Facts<'_>) -> Option<SymDim> {
        match &self.packed {
            Some(packed) => Some(SymDim::Known(packed.columns())),
            None => match inputs.shape(self.form.right()).map(Vec::as_slice) {
                Some([_, columns]) => Some(columns.clone()),
                _ => None,
            },
        }
    }

    fn weights<'a>(&'a self, inputs: &'a Inputs) -> Result<Weights<'a>> {
        match &self.packed {
            Some(packed) => Ok(Weights::Packed(packed)),
            None => inputs.tensor(self.form.right()).map(Weights::Tensor),
        }
    }
}

impl Op for IntegerMatMul {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let elem = match self.form {
            Form::Sums => Some(ElemType::I32),
            Form::Grid => inputs.elem(7),
            Form::Float | Form::Dynamic => Some(ElemType::F32),
        };
        let rows = inputs.shape(0).filter(|shape| shape.len() > 1);
        let shape = rows.zip(self.columns(inputs)).map(|(shape, columns)| {
            let mut shape = shape.clone();
            shape.pop();
            shape.push(columns);
            shape
        });
        Ok(vec![Fact::tensor(elem, shape)])
    }

    fn constant_bytes(&self) -> usize {
        self.packed.as_ref().map_or(0, |packed| packed.bytes())
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let weights = self.weights(&inputs)?;
        match self.form {
            Form::Sums => sums(&inputs, weights),
            Form::Grid => grid(&inputs, weights),
            Form::Float => float(&inputs, weights),
            Form::Dynamic => dynamic(&inputs, weights),
        }
    }
}

fn sums(inputs: &Inputs, weights: Weights<'_>) -> Result<Outputs> {
    let product = Product::new(inputs.tensor(0)?.shape(), weights)?;
    let (left_zeros, right_zeros) = (zeros(inputs.opt_tensor(2)?)?, zeros(inputs.opt_tensor(3)?)?);
    let left = Bytes::of(inputs.tensor(0)?)?;
    let out: Vec<i32> =
        product.run(&left, &left_zeros, &right_zeros, |_, sums, to| to.copy_from_slice(sums))?;
    one(Tensor::from_vec(product.sizes.shape, out)?)
}

fn float(inputs: &Inputs, weights: Weights<'_>) -> Result<Outputs> {
    let product = Product::new(inputs.tensor(0)?.shape(), weights)?;
    let left_scales = inputs.opt_tensor(2)?.map_or_else(|| Ok(vec![1.0]), scales)?;
    let scaled = Scaled::new(&product.sizes, &left_scales, inputs.tensor(3)?, inputs.opt_tensor(6)?)?;
    let (left_zeros, right_zeros) = (zeros(inputs.opt_tensor(4)?)?, zeros(inputs.opt_tensor(5)?)?);
    let left = Bytes::of(inputs.tensor(0)?)?;
    let out = product.run(&left, &left_zeros, &right_zeros, |at, sums, to| scaled.finish(at, sums, to))?;
    one(Tensor::from_vec(product.sizes.shape, out)?)
}

fn dynamic(inputs: &Inputs, weights: Weights<'_>) -> Result<Outputs> {
    let input = inputs.tensor(0)?;
    let product = Product::new(input.shape(), weights)?;
    let elements = input.view::<f32>()?;
    let range = integer::range(&elements);
    let quantized = Tensor::from_vec(input.shape().clone(), integer::quantize(&elements, range))?;
    let scaled = Scaled::new(&product.sizes, &[range.scale], inputs.tensor(2)?, inputs.opt_tensor(4)?)?;
    let right_zeros = zeros(inputs.opt_tensor(3)?)?;
    let left = Bytes::of(&quantized)?;
    let out = product
        .run(&left, &[i32::from(range.zero)], &right_zeros, |at, sums, to| scaled.finish(at, sums, to))?;
    one(Tensor::from_vec(product.sizes.shape, out)?)
}

fn grid(inputs: &Inputs, weights: Weights<'_>) -> Result<Outputs> {
    let product = Product::new(inputs.tensor(0)?.shape(), weights)?;
    let (left_scales, made_scales) = (scales(inputs.tensor(1)?)?, scales(inputs.tensor(6)?)?);
    let scaled = Scaled::new(&product.sizes, &left_scales, inputs.tensor(4)?, None)?;
    let made = Made::new(&made_scales, inputs.tensor(7)?)?;
    let (left_zeros, right_zeros) = (zeros(inputs.opt_tensor(2)?)?, zeros(inputs.opt_tensor(5)?)?);
    let left = Bytes::of(inputs.tensor(0)?)?;
    let finish = |(row, column): (usize, usize), sums: &[i32], to: &mut [u8]| {
        for (i, (to, &sum)) in to.iter_mut().zip(sums).enumerate() {
            *to = made.byte(sum, scaled.at(row, column + i));
        }
    };
    let out: Vec<u8> = product.run(&left, &left_zeros, &right_zeros, finish)?;
    one(made.tensor(&product.sizes.shape, out)?)
}

/// The grid of a result of bytes.
pub(super) struct Made {
    scale: f32,
    zero: f32,
    elem: ElemType,
}

impl Made {
    /// # Errors
    /// `Unsupported` for more than one scale or a type that is no byte's.
    pub(super) fn new(scales: &[f32], zero: &Tensor) -> Result<Self> {
        let ([scale], [zero_point]) = (scales, &zeros(Some(zero))?[..]) else {
            return Err(OpError::unsupported(
                "one scale and zero point of the result are supported, not more",
            ));
        };
        Bytes::of(zero)?;
        Ok(Self { scale: *scale, zero: *zero_point as f32, elem: zero.elem() })
    }

    /// The byte of a sum that counts `scale` each.
    pub(super) fn byte(&self, sum: i32, scale: f32) -> u8 {
        let place = (sum as f32 * (scale / self.scale)).round_ties_even() + self.zero;
        match self.elem {
            // The casts saturate.
            ElemType::I8 => (place as i8).cast_unsigned(),
            _ => place as u8,
        }
    }

    pub(super) fn tensor(&self, shape: &[usize], bytes: Vec<u8>) -> Result<Tensor> {
        match self.elem {
            ElemType::I8 => Tensor::from_vec::<i8>(shape, bytemuck::allocation::cast_vec(bytes)),
            _ => Tensor::from_vec(shape, bytes),
        }
    }
}

/// What a sum counts by row and column, and what is added to it. Invariant: `rows` is not empty.
struct Scaled {
    rows: Vec<f32>,
    columns: Vec<f32>,
    bias: Vec<f32>,
}

impl Scaled {
    fn new(sizes: &Sizes, left: &[f32], right: &Tensor, bias: Option<&Tensor>) -> Result<Self> {
        if left.len() != 1 && (left.is_empty() || !sizes.rows.is_multiple_of(left.len())) {
            return Err(OpError::invalid(format!("{} scales do not fit {} rows", left.len(), sizes.rows)));
        }
        let bias = match bias {
            Some(bias) => each(&bias.view::<f32>()?, sizes.columns)?,
            None => vec![0.0; sizes.columns],
        };
        Ok(Self { rows: left.to_vec(), columns: each(&scales(right)?, sizes.columns)?, bias })
    }

    #[inline(always)]
    fn at(&self, row: usize, column: usize) -> f32 {
        self.rows[row % self.rows.len()] * self.columns[column]
    }

    #[inline(always)]
    fn finish(&self, (row, column): (usize, usize), sums: &[i32], to: &mut [f32]) {
        let row = self.rows[row % self.rows.len()];
        let columns = self.columns[column..].iter().zip(&self.bias[column..]);
        for ((to, &sum), (&scale, &bias)) in to.iter_mut().zip(sums).zip(columns) {
            *to = sum as f32 * (row * scale) + bias;
        }
    }
}

/// A product with its weights.
struct Product<'a> {
    sizes: Sizes,
    weights: Weights<'a>,
}

impl<'a> Product<'a> {
    fn new(left: &[usize], weights: Weights<'a>) -> Result<Self> {
        let sizes = match &weights {
            Weights::Packed(packed) => Sizes::new(left, &[packed.depth(), packed.columns()])?,
            Weights::Tensor(right) => Sizes::new(left, right.shape())?,
        };
        Ok(Self { sizes, weights })
    }

    fn run<T: Copy + Default + Send>(
        &self,
        left: &Bytes<'_>,
        left_zeros: &[i32],
        right_zeros: &[i32],
        finish: impl Fn((usize, usize), &[i32], &mut [T]) + Sync,
    ) -> Result<Vec<T>> {
        let Sizes { rows, depth, columns, .. } = self.sizes;
        let raw = left.raw();
        let one = |i: usize, left_at: usize, right: &Right| {
            let begin = left_at * rows * depth;
            let matrix = left.left(raw.get(begin..begin + rows * depth).ok_or_else(misfit)?, rows, depth)?;
            let left_zeros = part(left_zeros, left_at, rows);
            let right_zeros = part(right_zeros, i, columns);
            self.one(&matrix, (right, left_zeros, right_zeros), &finish)
        };
        match &self.weights {
            Weights::Packed(packed) => {
                let mut out = Vec::new();
                for &(left_at, _) in &self.sizes.pairs {
                    extend(&mut out, one(0, left_at, packed)?);
                }
                Ok(out)
            }
            Weights::Tensor(tensor) => {
                let bytes = Bytes::of(tensor)?;
                let mut out = Vec::new();
                for &(left_at, right_at) in &self.sizes.pairs {
                    let begin = right_at * depth * columns;
                    let raw = bytes.raw().get(begin..begin + depth * columns).ok_or_else(misfit)?;
                    extend(&mut out, one(right_at, left_at, &bytes.right(raw, depth, columns)?)?);
                }
                Ok(out)
            }
        }
    }

    fn one<T: Copy + Default + Send>(
        &self,
        left: &Left<'_>,
        (right, left_zeros, right_zeros): (&Right, &[i32], &[i32]),
        finish: &(impl Fn((usize, usize), &[i32], &mut [T]) + Sync),
    ) -> Result<Vec<T>> {
        let left_zeros = spread(left_zeros, self.sizes.rows)?;
        let right_zeros = spread(right_zeros, self.sizes.columns)?;
        integer::product((left, left_zeros), (right, right_zeros), Into::Rows, finish).ok_or_else(misfit)
    }
}

/// The zero points of matrix `i` of a batch, where each has its own.
fn part(zeros: &[i32], i: usize, len: usize) -> &[i32] {
    if zeros.len() > len && len > 0 { zeros.get(i * len..(i + 1) * len).unwrap_or(zeros) } else { zeros }
}

/// The first result is taken as it is; most products are single.
fn extend<T: Copy>(out: &mut Vec<T>, more: Vec<T>) {
    if out.is_empty() {
        *out = more;
    } else {
        out.extend_from_slice(&more);
    }
}
