//! `girandole infer`: one request on a model, without a server. What comes in and goes out is the body of
//! the Open Inference Protocol's REST request and response.

use std::{
    fs,
    io::{self, Read, Write},
    path::Path,
    process::ExitCode,
};

use girandole_api::json_file;
use girandole_core::{
    Batch, BatchInput, InferRequest, InferResponse, LoadOptions, Model, ModelSpec, NamedTensor, Parameters,
    Result, Route, SessionOptions,
};

use super::{Failure, Outcome, output::say};
use crate::{cli::InferOptions, model_file};

pub(crate) fn run(options: &InferOptions) -> Outcome {
    let body = read(&options.input)?;
    let request = json_file::decode_request(&body)?;
    let model = model_file::load(&options.model, LoadOptions::default())?;
    let threads = options.threads.unwrap_or_else(girandole_engine::device::default_threads);
    let response = infer(model.as_ref(), &request, threads)?;
    io::stdout().write_all(&json_file::encode_response(&response)?)?;
    say!("");
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    if path == Path::new("-") {
        io::stdin().read_to_end(&mut body)?;
        return Ok(body);
    }
    fs::read(path).map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}

fn infer(model: &dyn Model, request: &InferRequest, threads: usize) -> Result<InferResponse> {
    let spec = any_rows(model.spec());
    let rows = spec.check(request)?;
    let batch = batch(&spec, request, rows);
    let mut session = model.session(&SessionOptions { threads, ..SessionOptions::default() })?;
    let outputs = model_file::run(session.as_mut(), batch.clone())?;
    let named = |(&index, tensor): (&usize, girandole_core::Tensor)| {
        NamedTensor::new(&spec.outputs[index].name, tensor)
    };
    Ok(InferResponse {
        model: request.model.clone(),
        version: 1,
        route: Route::default(),
        id: request.id.clone(),
        outputs: batch.outputs.iter().zip(outputs.tensors).map(named).collect(),
        parameters: Parameters::new(),
    })
}

/// The specification with no bound on the rows: a person's file is no client's request.
fn any_rows(spec: &ModelSpec) -> ModelSpec {
    let max_batch_size = if spec.batches() { usize::MAX } else { 0 };
    ModelSpec { max_batch_size, ..spec.clone() }
}

fn batch(spec: &ModelSpec, request: &InferRequest, rows: usize) -> Batch {
    let input = |(index, spec): (usize, &girandole_core::TensorSpec)| {
        let input = request.inputs.iter().find(|input| input.name == spec.name)?;
        let tensor = &input.tensor;
        Some(BatchInput {
            index,
            dtype: tensor.dtype(),
            shape: tensor.shape().clone(),
            parts: vec![tensor.data().clone()],
        })
    };
    let outputs = match request.outputs.as_slice() {
        [] => (0..spec.outputs.len()).collect(),
        asked => asked.iter().filter_map(|output| spec.output_index(&output.name)).collect(),
    };
    Batch { rows, inputs: spec.inputs.iter().enumerate().filter_map(input).collect(), outputs }
}
