//! Data of a model in the form of ONNX's own tests, `input_0.pb` and `output_0.pb`: how far what a session gives is
//! from what is expected.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use bytes::Bytes;
use girandole_core::{Batch, BatchInput, Difference, ModelSpec, Session, Tensor};
use serde_json::json;

use super::{Failure, Outcome, output::say};
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
        say!("{}", json!({"batch": rows, "max_abs_error": worst.absolute, "max_rel_error": worst.relative}));
    } else {
        say!("largest difference: {:.3e}, of the largest output {:.3e}", worst.absolute, worst.relative);
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
