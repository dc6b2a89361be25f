//! `Scaler`, `Normalizer`, `Binarizer`, `Imputer`: features made ready, element by element or row by row.
//! ONNX-ML 1.

use super::real::{Real, Reals, matrix};
use crate::{
    error::{OpError, Result},
    graph::Fact,
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{ElemType, Tensor, dispatch},
};

pub(super) const OPS: &[OpDef] = &[
    OpDef::ml("Scaler", 1, parse_scaler),
    OpDef::ml("Normalizer", 1, parse_normalizer),
    OpDef::ml("Binarizer", 1, |node| boxed(Binarizer(node.float_or("threshold", 0.0)?))),
    OpDef::ml("Imputer", 1, parse_imputer),
];

fn floats_of(inputs: &Facts<'_>) -> Result<Vec<Fact>> {
    Ok(vec![Fact::tensor(Some(ElemType::F32), inputs.shape(0).cloned())])
}

fn same(inputs: &Facts<'_>) -> Result<Vec<Fact>> {
    Ok(vec![Fact::tensor(inputs.elem(0), inputs.shape(0).cloned())])
}

/// The size of the dimension that counts features: the second, or the only one.
fn features(tensor: &Tensor) -> Result<usize> {
    let shape = tensor.shape();
    let size = if tensor.rank() == 1 { shape.first() } else { shape.get(1) };
    size.copied().ok_or_else(|| OpError::invalid("expected at least one dimension"))
}

/// One number for all features, or one for each.
fn of_feature<T: Copy>(all: &[T], index: usize, features: usize) -> Option<T> {
    if all.len() == features { all.get(index % features.max(1)).copied() } else { all.first().copied() }
}

#[derive(Debug)]
struct Scaler {
    scale: Vec<f32>,
    offset: Vec<f32>,
}

fn parse_scaler(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let (scale, offset) =
        (node.floats("scale")?.unwrap_or_default(), node.floats("offset")?.unwrap_or_default());
    if scale.is_empty() || scale.len() != offset.len() {
        return Err(OpError::invalid(format!(
            "{} scales and {} offsets do not fit",
            scale.len(),
            offset.len()
        )));
    }
    boxed(Scaler { scale, offset })
}

impl Op for Scaler {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        floats_of(inputs)
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let columns = features(input)?;
        if self.scale.len() != 1 && self.scale.len() != columns {
            return Err(OpError::invalid(format!("{} scales for {columns} features", self.scale.len())));
        }
        let data = Reals::<f32>::of(input)?;
        let scaled = data.iter().enumerate().map(|(i, &value)| {
            let k = i % self.scale.len();
            (value - self.offset[k]) * self.scale[k]
        });
        one(Tensor::from_vec(input.shape().clone(), scaled.collect())?)
    }
}

#[derive(Clone, Copy, Debug)]
enum Normalizer {
    Max,
    L1,
    L2,
}

fn parse_normalizer(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    boxed(match node.string_or("norm", "MAX")? {
        "MAX" => Normalizer::Max,
        "L1" => Normalizer::L1,
        "L2" => Normalizer::L2,
        other => return Err(OpError::invalid(format!("norm '{other}' is none of ONNX-ML"))),
    })
}

impl Normalizer {
    fn norm(self, row: &[f32]) -> f32 {
        match self {
            Self::Max => row.iter().copied().fold(f32::MIN, f32::max),
            Self::L1 => row.iter().map(|v| v.abs()).sum(),
            Self::L2 => row.iter().map(|v| v * v).sum::<f32>().sqrt(),
        }
    }
}

impl Op for Normalizer {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        floats_of(inputs)
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let (_, columns) = matrix(input)?;
        let mut data = Reals::<f32>::of(input)?.to_vec();
        for row in data.chunks_exact_mut(columns.max(1)) {
            let norm = self.norm(row);
            if norm != 0.0 {
                row.iter_mut().for_each(|value| *value /= norm);
            }
        }
        one(Tensor::from_vec(input.shape().clone(), data)?)
    }
}

#[derive(Debug)]
struct Binarizer(f32);

impl Op for Binarizer {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        same(inputs)
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let threshold = f64::from(self.0);
        let ones: Vec<u8> = Reals::<f64>::of(input)?.iter().map(|&v| u8::from(v > threshold)).collect();
        one(dispatch!(input.elem(), Number, T => {
            Tensor::from_vec(input.shape().clone(), ones.iter().map(|&v| T::from_bit(v)).collect())
        })?)
    }
}

/// A type with 0 and 1.
trait FromBit {
    fn from_bit(bit: u8) -> Self;
}

macro_rules! from_bit {
    ($($type:ty),*) => {$(
        impl FromBit for $type {
            fn from_bit(bit: u8) -> Self {
                Self::from(bit)
            }
        }
    )*};
}

from_bit!(f32, f64, u8, u16, u32, u64, i16, i32, i64, half::f16, half::bf16);

impl FromBit for i8 {
    fn from_bit(bit: u8) -> Self {
        Self::from(bit != 0)
    }
}

#[derive(Debug)]
enum Imputer {
    Floats { missing: f32, values: Vec<f32> },
    Ints { missing: i64, values: Vec<i64> },
}

fn parse_imputer(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let floats = node.floats("imputed_value_floats")?.filter(|all| !all.is_empty());
    let ints = node.ints("imputed_value_int64s")?.filter(|all| !all.is_empty());
    match (floats, ints) {
        (Some(values), None) => {
            boxed(Imputer::Floats { missing: node.float_or("replaced_value_float", 0.0)?, values })
        }
        (None, Some(values)) => {
            boxed(Imputer::Ints { missing: node.int_or("replaced_value_int64", 0)?, values })
        }
        _ => Err(OpError::invalid("expected one of imputed_value_floats and imputed_value_int64s")),
    }
}

impl Imputer {
    fn reals<T: Real>(input: &Tensor, missing: f32, values: &[f32]) -> Result<Tensor> {
        let columns = features(input)?;
        let missing = T::of(f64::from(missing));
        let data = input.view::<T>()?;
        let filled = data.iter().enumerate().map(|(i, &value)| {
            let is_missing = value == missing || (value.is_nan() && missing.is_nan());
            if is_missing {
                of_feature(values, i, columns).map_or(value, |v| T::of(f64::from(v)))
            } else {
                value
            }
        });
        Tensor::from_vec(input.shape().clone(), filled.collect())
    }

    fn ints(input: &Tensor, missing: i64, values: &[i64]) -> Result<Vec<i64>> {
        let columns = features(input)?;
        let filled = input.to_ints()?.into_iter().enumerate();
        Ok(filled
            .map(
                |(i, value)| {
                    if value == missing { of_feature(values, i, columns).unwrap_or(value) } else { value }
                },
            )
            .collect())
    }
}

impl Op for Imputer {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        same(inputs)
    }

    #[allow(clippy::cast_possible_truncation)]
    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        one(match (self, input.elem()) {
            (Self::Floats { missing, values }, ElemType::F32) => Self::reals::<f32>(input, *missing, values)?,
            (Self::Floats { missing, values }, ElemType::F64) => Self::reals::<f64>(input, *missing, values)?,
            (Self::Ints { missing, values }, ElemType::I64) => {
                Tensor::from_vec(input.shape().clone(), Self::ints(input, *missing, values)?)?
            }
            (Self::Ints { missing, values }, ElemType::I32) => {
                let filled = Self::ints(input, *missing, values)?.into_iter().map(|v| v as i32);
                Tensor::from_vec(input.shape().clone(), filled.collect())?
            }
            (_, elem) => {
                return Err(OpError::invalid(format!("the imputed values do not fit elements of {elem}")));
            }
        })
    }
}
