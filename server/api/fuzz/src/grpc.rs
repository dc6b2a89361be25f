//! An inference message to a request, held against models, and answered; and how such a message is changed.

use bytes::Bytes;
use girandole_api::fuzzing::{grpc_answer, grpc_message, grpc_request};
use girandole_core::{DType, NamedTensor};
use girandole_proto::oip::{
    InferParameter, InferTensorContents, ModelInferRequest, ModelInferResponse,
    infer_parameter::ParameterChoice,
    model_infer_request::{InferInputTensor, InferRequestedOutputTensor},
};
use libfuzzer_sys::fuzzer_mutate;
use prost::Message;

use crate::{echo, is_blind, memory, put, random::Random};

/// The most changes of one step.
const MOST_CHANGES: usize = 4;

/// Decodes the message, makes a request of it, and answers it with its own inputs.
pub fn infer(message: &[u8]) {
    let bytes = Bytes::copy_from_slice(message);
    memory::within(message.len(), memory::CLIENTS, || {
        if let Ok(message) = grpc_message(bytes) {
            answered(message);
        }
    });
}

/// What is answered must be read again as what it was.
#[allow(clippy::expect_used)]
fn answered(message: ModelInferRequest) {
    let Ok(read) = grpc_request(message) else { return };
    echo::check(&read);
    let answer = grpc_answer(echo::answer(&read)).encode_to_vec();
    let answer = ModelInferResponse::decode(answer.as_slice()).expect("an answer can be decoded");
    let again = grpc_request(request(answer)).expect("an answer can be read");
    let tensor = |named: &NamedTensor| (named.name.clone(), named.tensor.clone());
    assert!(
        again.inputs.iter().map(tensor).eq(read.inputs.iter().map(tensor)),
        "tensors come back as they were"
    );
}

/// The answer as a request.
fn request(answer: ModelInferResponse) -> ModelInferRequest {
    let input = |output: girandole_proto::oip::model_infer_response::InferOutputTensor| InferInputTensor {
        name: output.name,
        datatype: output.datatype,
        shape: output.shape,
        parameters: output.parameters,
        contents: output.contents,
    };
    ModelInferRequest {
        model_name: answer.model_name,
        model_version: answer.model_version,
        id: answer.id,
        parameters: answer.parameters,
        inputs: answer.outputs.into_iter().map(input).collect(),
        outputs: Vec::new(),
        raw_input_contents: answer.raw_output_contents,
    }
}

/// Changes the message in `data[..size]` to one of at most `max_size` bytes; gives its size.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut random = Random::new(seed.into());
    let message = ModelInferRequest::decode(&data[..size]);
    let (Ok(mut message), false) = (message, is_blind(&mut random)) else {
        return fuzzer_mutate(data, size, max_size);
    };
    for _ in 0..=random.below(MOST_CHANGES) {
        change(&mut message, &mut random);
    }
    put(&message.encode_to_vec(), &mut data[..max_size])
        .unwrap_or_else(|| fuzzer_mutate(data, size, max_size))
}

/// Puts the second message's inputs behind the first's.
pub fn cross(first: &[u8], second: &[u8], out: &mut [u8], _seed: u32) -> usize {
    let both =
        ModelInferRequest::decode(first).and_then(|first| Ok((first, ModelInferRequest::decode(second)?)));
    let Ok((mut message, other)) = both else { return 0 };
    message.inputs.extend(other.inputs);
    message.outputs.extend(other.outputs);
    message.raw_input_contents.extend(other.raw_input_contents);
    put(&message.encode_to_vec(), out).unwrap_or(0)
}

fn change(message: &mut ModelInferRequest, random: &mut Random) {
    match random.below(10) {
        0 => message.model_name = text(random),
        1 => message.model_version = text(random),
        2 => drop(message.parameters.insert(text(random), parameter(random))),
        3 => message.outputs.push(InferRequestedOutputTensor {
            name: text(random),
            parameters: [(text(random), parameter(random))].into(),
        }),
        4 => message.raw_input_contents.push(raw(random)),
        5 => drop(message.raw_input_contents.pop()),
        6 => message.inputs.push(InferInputTensor { name: text(random), ..Default::default() }),
        _ => {
            let at = random.below(message.inputs.len());
            if let Some(input) = message.inputs.get_mut(at) {
                change_input(input, random);
            }
        }
    }
}

fn change_input(input: &mut InferInputTensor, random: &mut Random) {
    match random.below(6) {
        0 => input.name = text(random),
        1 => input.datatype = random.pick(&DType::ALL).name().to_owned(),
        2 => input.shape.push(size(random)),
        3 => {
            let at = random.below(input.shape.len());
            input.shape.get_mut(at).into_iter().for_each(|dim| *dim = size(random));
        }
        4 => drop(input.parameters.insert(text(random), parameter(random))),
        _ => contents(input.contents.get_or_insert_default(), random),
    }
}

fn contents(contents: &mut InferTensorContents, random: &mut Random) {
    match random.below(9) {
        0 => contents.bool_contents.push(random.one_in(2)),
        1 => contents.int_contents.push(random.pick(&[0, 1, -1, 127, 128, i32::MIN, i32::MAX])),
        2 => contents.int64_contents.push(size(random)),
        3 => contents.uint_contents.push(random.pick(&[0, 1, 255, 256, 65536, u32::MAX])),
        4 => contents.uint64_contents.push(random.next()),
        5 => contents.fp32_contents.push(random.pick(&[0.5, f32::NAN, f32::MAX])),
        6 => contents.fp64_contents.push(random.pick(&[0.5, f64::NAN, f64::MAX])),
        7 => contents.bytes_contents.push(raw(random)),
        _ => *contents = InferTensorContents::default(),
    }
}

fn size(random: &mut Random) -> i64 {
    random.pick(&[0, 1, 1, 2, 2, 3, -1, 1 << 32, 1 << 62, i64::MAX, i64::MIN])
}

fn raw(random: &mut Random) -> Bytes {
    const RAW: &[&[u8]] =
        &[b"", &[0], &[0; 4], &[0; 8], b"\x01\0\0\0a", b"\xff\xff\xff\xffa", b"\0\0\x80\x7f"];
    Bytes::from_static(random.pick(RAW))
}

fn text(random: &mut Random) -> String {
    let known = ["", "x", "y", "fuzz", "..", "a/b", "1", "FP32", "BYTES", "18446744073709551616", "\0"];
    let keys =
        ["priority", "timeout", "sequence_id", "sequence_start", "classification", "binary_data", "headers"];
    let all: Vec<&str> = known.into_iter().chain(keys).chain(["triton_x", "shared_memory_region"]).collect();
    random.pick(&all).to_owned()
}

fn parameter(random: &mut Random) -> InferParameter {
    let choice = match random.below(6) {
        0 => Some(ParameterChoice::BoolParam(random.one_in(2))),
        1 => Some(ParameterChoice::Int64Param(size(random))),
        2 => Some(ParameterChoice::Uint64Param(random.next())),
        3 => Some(ParameterChoice::DoubleParam(random.pick(&[0.5, f64::NAN]))),
        4 => Some(ParameterChoice::StringParam(text(random))),
        _ => None,
    };
    InferParameter { parameter_choice: choice }
}
