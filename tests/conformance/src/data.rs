//! Reads a case's data: what a file holds (a tensor, a sequence, an optional) is decided by the type that the
//! model declares for it.

use std::{fs, path::Path, sync::Arc};

use bytes::Bytes;
use girandole_engine::{
    graph::Fact,
    onnx,
    value::{Tensor, Value},
};
use girandole_proto::onnx::{
    ModelProto, OptionalProto, SequenceProto, TensorProto, ValueInfoProto, type_proto,
};
use prost::Message;

use crate::case::{Failure, load_failure};

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Tensor,
    Sequence,
    Optional,
}

/// What the model declares.
pub(crate) struct Types {
    pub(crate) inputs: Vec<Kind>,
    pub(crate) outputs: Vec<Kind>,
}

impl Types {
    pub(crate) fn of(model: &ModelProto) -> Self {
        let kinds = |infos: &[ValueInfoProto]| infos.iter().map(kind).collect();
        let graph = model.graph.as_ref();
        Self {
            inputs: graph.map(|graph| kinds(&graph.input)).unwrap_or_default(),
            outputs: graph.map(|graph| kinds(&graph.output)).unwrap_or_default(),
        }
    }
}

fn kind(info: &ValueInfoProto) -> Kind {
    match info.r#type.as_ref().and_then(|t| t.value.as_ref()) {
        Some(type_proto::Value::SequenceType(_)) => Kind::Sequence,
        Some(type_proto::Value::OptionalType(_)) => Kind::Optional,
        _ => Kind::Tensor,
    }
}

/// The values of the files `kind_0.pb`, `kind_1.pb` and so on.
pub(crate) fn values(set: &Path, name: &str, kinds: &[Kind]) -> Result<Vec<Value>, Failure> {
    let files = (0..).map(|i| set.join(format!("{name}_{i}.pb"))).take_while(|file| file.is_file());
    let kinds = kinds.iter().copied().chain(std::iter::repeat(Kind::Tensor));
    files.zip(kinds).map(|(file, kind)| read(&file, kind)).collect()
}

/// The tensor in a file.
pub(crate) fn tensor_of(file: &Path) -> Result<Value, Failure> {
    read(file, Kind::Tensor)
}

/// A tensor of counted numbers from 0 to 1 for an input; a free dimension is 1.
pub(crate) fn counted(input: &Fact) -> Result<Value, Failure> {
    let shape: Vec<usize> = input.shape.iter().flatten().map(|dim| dim.known().unwrap_or(1)).collect();
    let len: usize = shape.iter().product();
    let data = (0..len).map(|i| (i as f64 / len as f64) as f32).collect();
    let tensor = Tensor::from_vec(shape, data).map_err(|error| Failure::Error(error.to_string()))?;
    Ok(tensor.into())
}

fn read(file: &Path, kind: Kind) -> Result<Value, Failure> {
    let bytes = Bytes::from(fs::read(file).map_err(|error| Failure::Error(error.to_string()))?);
    let malformed = |error: prost::DecodeError| Failure::Error(format!("the data is malformed: {error}"));
    match kind {
        Kind::Tensor => tensor(&TensorProto::decode(bytes).map_err(malformed)?),
        Kind::Sequence => sequence(&SequenceProto::decode(bytes).map_err(malformed)?),
        Kind::Optional => optional(&OptionalProto::decode(bytes).map_err(malformed)?),
    }
}

fn tensor(proto: &TensorProto) -> Result<Value, Failure> {
    let tensor = onnx::tensor_from_proto(proto, None).map_err(|error| load_failure(&error.to_string()))?;
    Ok(Value::Tensor(tensor))
}

fn sequence(proto: &SequenceProto) -> Result<Value, Failure> {
    let tensors = proto.tensor_values.iter().map(tensor);
    let sequences = proto.sequence_values.iter().map(sequence);
    let optionals = proto.optional_values.iter().map(optional);
    Ok(Value::Sequence(Arc::new(tensors.chain(sequences).chain(optionals).collect::<Result<_, _>>()?)))
}

fn optional(proto: &OptionalProto) -> Result<Value, Failure> {
    let value = match proto {
        OptionalProto { tensor_value: Some(value), .. } => Some(tensor(value)?),
        OptionalProto { sequence_value: Some(value), .. } => Some(sequence(value)?),
        OptionalProto { optional_value: Some(value), .. } => Some(optional(value)?),
        _ => None,
    };
    Ok(Value::Optional(value.map(Arc::new)))
}
