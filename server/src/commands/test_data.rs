//! Data of a model in the form of ONNX's own tests, `input_0.pb` and `output_0.pb`: how far what a session gives is
//! from what is expected.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use bytes::Bytes;
use girandole_core::{Batch, BatchInput, DType, Error, ModelSpec, Session, Tensor};
use half::{bf16, f16};
use serde_json::json;

use super::{Failure, Outcome};
use crate::model_file;

/// Runs the inputs of `folder` once and prints the largest differences.
pub(super) fn check(session: &mut dyn Session, spec: &ModelSpec, folder: &Path, as_json: bool) -> Outcome {
    let inputs = tensors(folder, "input")?;
    let expected = tensors(folder, "output")?;
    if inputs.len() != spec.inputs.len() || expected.is_empty() {
        return Err(Failure::new(format!(
            "{}: expected input_0.pb to input_{}.pb and output_0.pb",
            folder.display(),
            spec.inputs.len().saturating_sub(1)
        )));
    }
    let rows = inputs.first().and_then(|input| input.shape().first().copied());
    let rows = rows.filter(|_| spec.batches()).unwrap_or(1);
    let input = |(index, tensor): (usize, Tensor)| BatchInput {
        index,
        dtype: tensor.dtype(),
        shape: tensor.shape().clone(),
        parts: vec![tensor.data().clone()],
    };
    let inputs = inputs.into_iter().enumerate().map(input).collect();
    let batch = Batch { rows, inputs, outputs: (0..expected.len()).collect() };
    // The second run is the one that a device has made ready for.
    model_file::run(session, batch.clone())?;
    let outputs = model_file::run(session, batch)?;
    let mut worst = Difference::default();
    for (came, expected) in outputs.tensors.iter().zip(&expected) {
        worst = worst.and(Difference::of(came, expected)?);
    }
    if as_json {
        println!(
            "{}",
            json!({"batch": rows, "max_abs_error": worst.absolute, "max_rel_error": worst.relative})
        );
    } else {
        println!("largest difference: {:.3e}, of the largest output {:.3e}", worst.absolute, worst.relative);
    }
    Ok(ExitCode::SUCCESS)
}

fn tensors(folder: &Path, name: &str) -> Result<Vec<Tensor>, Failure> {
    let files = (0..).map(|i| folder.join(format!("{name}_{i}.pb"))).take_while(|file| file.is_file());
    files
        .map(|file: PathBuf| {
            let bytes =
                fs::read(&file).map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
            let tensor = girandole_engine::onnx::tensor_from_bytes(Bytes::from(bytes));
            Ok(tensor.map_err(|error| error.context(file.display()))?)
        })
        .collect()
}

/// The largest difference of two tensors, by itself and as a part of the largest number expected.
#[derive(Clone, Copy, Debug, Default)]
struct Difference {
    absolute: f64,
    relative: f64,
}

impl Difference {
    fn of(came: &Tensor, expected: &Tensor) -> Result<Self, Error> {
        if came.shape() != expected.shape() || came.dtype() != expected.dtype() {
            return Err(Error::internal(format!(
                "an output is {}{}, expected {}{}",
                came.dtype().name(),
                came.shape(),
                expected.dtype().name(),
                expected.shape()
            )));
        }
        let (came, expected) = (numbers(came)?, numbers(expected)?);
        let largest = expected.iter().fold(0.0, |largest: f64, number| largest.max(number.abs()));
        let mut absolute: f64 = 0.0;
        for (came, expected) in came.iter().zip(&expected) {
            let apart = (came - expected).abs();
            // A number that is none is infinitely far, unless one was expected.
            let apart = if apart.is_nan() && !expected.is_nan() { f64::INFINITY } else { apart };
            absolute = absolute.max(apart);
        }
        Ok(Self { absolute, relative: if largest > 0.0 { absolute / largest } else { absolute } })
    }

    fn and(self, other: Self) -> Self {
        Self { absolute: self.absolute.max(other.absolute), relative: self.relative.max(other.relative) }
    }
}

fn numbers(tensor: &Tensor) -> Result<Vec<f64>, Error> {
    fn each<const N: usize>(tensor: &Tensor, of: fn([u8; N]) -> f64) -> Vec<f64> {
        tensor.data().as_chunks::<N>().0.iter().map(|&bytes| of(bytes)).collect()
    }
    Ok(match tensor.dtype() {
        DType::F32 => each(tensor, |bytes| f64::from(f32::from_le_bytes(bytes))),
        DType::F64 => each(tensor, f64::from_le_bytes),
        DType::F16 => each(tensor, |bytes| f16::from_le_bytes(bytes).to_f64()),
        DType::BF16 => each(tensor, |bytes| bf16::from_le_bytes(bytes).to_f64()),
        DType::I64 => each(tensor, |bytes| i64::from_le_bytes(bytes) as f64),
        DType::I32 => each(tensor, |bytes| f64::from(i32::from_le_bytes(bytes))),
        other => return Err(Error::invalid(format!("outputs of {} are not compared", other.name()))),
    })
}

#[cfg(test)]
mod tests {
    use girandole_core::Shape;

    use super::*;

    fn floats(numbers: &[f32]) -> Tensor {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        Tensor::new(DType::F32, Shape::new(&[numbers.len()]), bytes.into()).unwrap()
    }

    #[test]
    fn the_largest_difference_is_told() {
        let found = Difference::of(&floats(&[1.0, 2.5]), &floats(&[1.0, -2.0])).unwrap();
        assert_eq!((found.absolute, found.relative), (4.5, 2.25));
        let none = Difference::of(&floats(&[f32::NAN]), &floats(&[1.0])).unwrap();
        assert_eq!(none.absolute, f64::INFINITY);
        assert!(Difference::of(&floats(&[1.0]), &floats(&[1.0, 2.0])).is_err());
    }
}
