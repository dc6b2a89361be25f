//! Type declarations of a model file as facts.

use std::sync::Arc;

use girandole_proto::onnx::{TensorShapeProto, TypeProto, tensor_shape_proto::dimension, type_proto};

use crate::{
    error::Result,
    graph::{Fact, SymDim, SymShape},
    value::ElemType,
};

/// What a declaration says of the value `name`; a type that is no tensor says nothing.
///
/// # Errors
/// `Unsupported` for an element type that the engine lacks.
pub(super) fn fact(name: &str, declared: Option<&TypeProto>) -> Result<Fact> {
    let Some(type_proto::Value::TensorType(tensor)) = declared.and_then(|t| t.value.as_ref()) else {
        return Ok(Fact::default());
    };
    let elem = match tensor.elem_type {
        0 => None,
        number => {
            Some(ElemType::from_onnx(number).map_err(|error| error.of(format_args!("value '{name}'")))?)
        }
    };
    Ok(Fact::tensor(elem, tensor.shape.as_ref().map(shape)))
}

/// As [`fact`], for an input of a graph: a dimension without a name gets a symbol of its own, so that it can
/// be followed through the graph.
pub(super) fn input_fact(name: &str, declared: Option<&TypeProto>) -> Result<Fact> {
    let mut fact = fact(name, declared)?;
    for (axis, dim) in fact.shape.iter_mut().flatten().enumerate() {
        if *dim == SymDim::Unknown {
            *dim = SymDim::anonymous(name, axis);
        }
    }
    Ok(fact)
}

fn shape(declared: &TensorShapeProto) -> SymShape {
    let dim = |value: &Option<dimension::Value>| match value {
        Some(dimension::Value::DimValue(size)) => {
            usize::try_from(*size).map_or(SymDim::Unknown, SymDim::Known)
        }
        // Some exporters write "?" for every size that they do not know: no name that two could share.
        Some(dimension::Value::DimParam(name)) if !matches!(name.as_str(), "" | "?") => {
            SymDim::Symbol(Arc::from(name.as_str()))
        }
        _ => SymDim::Unknown,
    };
    declared.dim.iter().map(|d| dim(&d.value)).collect()
}
