//! The protocol's free-form parameter maps: booleans, numbers and strings by key, each key once.

use girandole_core::{Parameter, Parameters};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
    ser::{Serialize, SerializeMap, Serializer},
};

use crate::limits::MOST_PARAMETERS;

/// A parameter map as JSON has it.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct JsonParameters(pub(crate) Parameters);

impl<'de> Deserialize<'de> for JsonParameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MapVisitor).map(Self)
    }
}

struct MapVisitor;

impl<'de> Visitor<'de> for MapVisitor {
    type Value = Parameters;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object of parameters")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parameters, A::Error> {
        let mut parameters = Parameters::new();
        while let Some((key, JsonParameter(value))) = map.next_entry::<String, JsonParameter>()? {
            if parameters.contains_key(&key) {
                return Err(Error::custom(format!("parameter '{key}' is given twice")));
            }
            if parameters.len() == MOST_PARAMETERS {
                return Err(Error::custom(format!("more than {MOST_PARAMETERS} parameters in one object")));
            }
            parameters.insert(key, value);
        }
        Ok(parameters)
    }
}

struct JsonParameter(Parameter);

impl<'de> Deserialize<'de> for JsonParameter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor).map(Self)
    }
}

struct ValueVisitor;

impl Visitor<'_> for ValueVisitor {
    type Value = Parameter;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a parameter that is a boolean, a number or a string")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Parameter, E> {
        Ok(Parameter::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Parameter, E> {
        Ok(Parameter::I64(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Parameter, E> {
        Ok(i64::try_from(value).map_or(Parameter::U64(value), Parameter::I64))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Parameter, E> {
        Ok(Parameter::F64(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Parameter, E> {
        Ok(Parameter::String(value.to_owned()))
    }
}

impl Serialize for JsonParameters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        AsJson(&self.0).serialize(serializer)
    }
}

/// A parameter map on its way into JSON.
pub(super) struct AsJson<'a>(pub(super) &'a Parameters);

impl Serialize for AsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in self.0 {
            match value {
                Parameter::Bool(value) => map.serialize_entry(key, value)?,
                Parameter::I64(value) => map.serialize_entry(key, value)?,
                Parameter::U64(value) => map.serialize_entry(key, value)?,
                Parameter::F64(value) => map.serialize_entry(key, value)?,
                Parameter::String(value) => map.serialize_entry(key, value)?,
            }
        }
        map.end()
    }
}
