//! An inference request's JSON: each tensor's data straight into its buffer when its type and shape came
//! before it, else from its raw text after them.

use bytes::Bytes;
use girandole_core::{DType, Parameters, Result, Shape};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{JsonParameters, at_most::AtMost, elements::Elements, explain, nonfinite};
use crate::{limits::Limits, oip::convert};

/// A request's inputs or outputs.
type Tensors<T> = AtMost<T, { Limits::MOST_TENSORS }>;

/// A request as its JSON has it.
#[derive(Debug, Default)]
pub(crate) struct JsonRequest {
    pub(crate) id: String,
    pub(crate) parameters: Parameters,
    pub(crate) inputs: Vec<JsonInput>,
    pub(crate) outputs: Vec<JsonOutput>,
}

/// An input; without data where it comes in binary form.
#[derive(Debug)]
pub(crate) struct JsonInput {
    pub(crate) name: String,
    pub(crate) dtype: DType,
    pub(crate) shape: Shape,
    pub(crate) parameters: Parameters,
    pub(crate) data: Option<Bytes>,
}

/// An output asked for.
#[derive(Debug)]
pub(crate) struct JsonOutput {
    pub(crate) name: String,
    pub(crate) parameters: Parameters,
}

/// Parses a request.
///
/// # Errors
/// `InvalidArgument` that says what is wrong and where.
pub(crate) fn parse(body: &[u8]) -> Result<JsonRequest> {
    let first = match serde_json::from_slice(body) {
        Ok(request) => return Ok(request),
        Err(error) => error,
    };
    let Some(quoted) = first.is_syntax().then(|| nonfinite::quote(body)).flatten() else {
        return Err(explain(&first));
    };
    serde_json::from_slice(&quoted).map_err(|error| explain(&error))
}

/// Sets a field that may be given once.
fn once<T, E: Error>(slot: &mut Option<T>, key: &str, value: T) -> Result<(), E> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(E::custom(format!("'{key}' is given twice"))),
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum RequestKey {
    Id,
    Parameters,
    Inputs,
    Outputs,
    #[serde(other)]
    Other,
}

impl<'de> Deserialize<'de> for JsonRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RequestVisitor)
    }
}

struct RequestVisitor;

impl<'de> Visitor<'de> for RequestVisitor {
    type Value = JsonRequest;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an inference request: an object with 'inputs'")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonRequest, A::Error> {
        let (mut id, mut parameters, mut inputs, mut outputs) = (None, None, None, None);
        while let Some(key) = map.next_key()? {
            match key {
                RequestKey::Id => once(&mut id, "id", map.next_value::<String>()?)?,
                RequestKey::Parameters => {
                    once(&mut parameters, "parameters", map.next_value::<JsonParameters>()?.0)?;
                }
                RequestKey::Inputs => once(&mut inputs, "inputs", map.next_value::<Tensors<_>>()?.0)?,
                RequestKey::Outputs => once(&mut outputs, "outputs", map.next_value::<Tensors<_>>()?.0)?,
                RequestKey::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(JsonRequest {
            id: id.unwrap_or_default(),
            parameters: parameters.unwrap_or_default(),
            inputs: inputs.ok_or_else(|| Error::missing_field("inputs"))?,
            outputs: outputs.unwrap_or_default(),
        })
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum InputKey {
    Name,
    Datatype,
    Shape,
    Parameters,
    Data,
    #[serde(other)]
    Other,
}

impl<'de> Deserialize<'de> for JsonInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InputVisitor)
    }
}

struct InputVisitor;

impl<'de> Visitor<'de> for InputVisitor {
    type Value = JsonInput;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an input: an object with 'name', 'datatype', 'shape' and 'data'")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonInput, A::Error> {
        let (mut name, mut dtype, mut shape, mut parameters, mut data) = (None, None, None, None, None);
        while let Some(key) = map.next_key()? {
            match key {
                InputKey::Name => once(&mut name, "name", map.next_value::<String>()?)?,
                InputKey::Datatype => once(&mut dtype, "datatype", map.next_value::<Datatype>()?.0)?,
                InputKey::Shape => once(&mut shape, "shape", map.next_value::<Dims>()?.0)?,
                InputKey::Parameters => {
                    once(&mut parameters, "parameters", map.next_value::<JsonParameters>()?.0)?;
                }
                InputKey::Data => {
                    let came = match (dtype, &shape) {
                        (Some(dtype), Some(shape)) => Data::Read(map.next_value_seed(seed(dtype, shape)?)?),
                        _ => Data::Raw(map.next_value()?),
                    };
                    once(&mut data, "data", came)?;
                }
                InputKey::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let name = name.ok_or_else(|| Error::missing_field("name"))?;
        let missing = |key: &str| A::Error::custom(format!("input '{name}' has no '{key}'"));
        let dtype = dtype.ok_or_else(|| missing("datatype"))?;
        let shape = shape.ok_or_else(|| missing("shape"))?;
        let data = match data {
            Some(Data::Raw(raw)) => Some(late::<A::Error>(raw, dtype, &shape)?),
            Some(Data::Read(data)) => Some(data),
            None => None,
        };
        Ok(JsonInput { name, dtype, shape, parameters: parameters.unwrap_or_default(), data })
    }
}

enum Data<'de> {
    Read(Bytes),
    Raw(&'de RawValue),
}

/// Data that came before the tensor's type or shape.
fn late<E: Error>(raw: &RawValue, dtype: DType, shape: &Shape) -> Result<Bytes, E> {
    let mut deserializer = serde_json::Deserializer::from_str(raw.get());
    seed(dtype, shape)?.deserialize(&mut deserializer).map_err(E::custom)
}

fn seed<E: Error>(dtype: DType, shape: &Shape) -> Result<Elements<'_>, E> {
    let elements = shape.elements().filter(|elements| elements.checked_mul(8).is_some());
    let expected = elements
        .ok_or_else(|| E::custom(format!("shape {shape} has more elements than can be addressed")))?;
    Ok(Elements { dtype, shape, expected })
}

struct Datatype(DType);

impl<'de> Deserialize<'de> for Datatype {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map(Self).map_err(Error::custom)
    }
}

struct Dims(Shape);

impl<'de> Deserialize<'de> for Dims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let dims = AtMost::<i64, { convert::MAX_RANK }>::deserialize(deserializer)?.0;
        convert::shape(&dims).map(Self).map_err(|error| Error::custom(error.message()))
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum OutputKey {
    Name,
    Parameters,
    #[serde(other)]
    Other,
}

impl<'de> Deserialize<'de> for JsonOutput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OutputVisitor)
    }
}

struct OutputVisitor;

impl<'de> Visitor<'de> for OutputVisitor {
    type Value = JsonOutput;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a requested output: an object with 'name'")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonOutput, A::Error> {
        let (mut name, mut parameters) = (None, None);
        while let Some(key) = map.next_key()? {
            match key {
                OutputKey::Name => once(&mut name, "name", map.next_value()?)?,
                OutputKey::Parameters => {
                    once(&mut parameters, "parameters", map.next_value::<JsonParameters>()?.0)?;
                }
                OutputKey::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let name = name.ok_or_else(|| Error::missing_field("name"))?;
        Ok(JsonOutput { name, parameters: parameters.unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests;
