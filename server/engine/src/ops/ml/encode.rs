//! `LabelEncoder` and `CategoryMapper`: each element becomes the value of its key. ONNX-ML 1, 2 and 4.

use std::{collections::HashMap, hash::Hash};

use half::f16;

use crate::{
    error::{OpError, Result},
    graph::Fact,
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{ElemType, Element, Tensor, Text, dispatch},
};

pub(super) const OPS: &[OpDef] =
    &[OpDef::ml("LabelEncoder", 1, parse_encoder), OpDef::ml("CategoryMapper", 1, parse_mapper)];

/// A table from keys to values; what has no key gets the default.
#[derive(Debug)]
struct Table {
    keys: Keys,
    values: Tensor,
    default: Tensor,
}

/// Keys by the place of their value; floats by their bits, all NaNs alike.
#[derive(Debug)]
enum Keys {
    Ints(ElemType, HashMap<i64, usize>),
    Floats(ElemType, HashMap<u64, usize>),
    Texts(HashMap<Text, usize>),
}

/// The version since which a missing value can have a value.
const NAN_IS_A_KEY: u32 = 4;

/// One direction or the other, by the input's type.
#[derive(Debug)]
struct Encoder(Vec<Table>);

fn parse_encoder(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    if node.opset() == 1 {
        let texts = node.texts("classes_strings")?.unwrap_or_default();
        let numbers = (0..texts.len() as i64).collect();
        return both_ways(node, texts, numbers);
    }
    let keys = list(node, "keys")?.ok_or_else(|| OpError::invalid("the keys are missing"))?;
    let values = list(node, "values")?.ok_or_else(|| OpError::invalid("the values are missing"))?;
    let default = default(node, values.elem())?;
    let mut table = Table::new(&keys, values, default)?;
    if node.opset() < NAN_IS_A_KEY {
        table.keys.forget_nan();
    }
    boxed(Encoder(vec![table]))
}

fn parse_mapper(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let texts = node.texts("cats_strings")?.unwrap_or_default();
    let numbers = node.ints("cats_int64s")?.unwrap_or_default();
    both_ways(node, texts, numbers)
}

fn both_ways(node: &NodeDef<'_>, texts: Vec<Text>, numbers: Vec<i64>) -> Result<Box<dyn Op>> {
    let (texts, numbers) = (vector(texts)?, vector(numbers)?);
    let there = Table::new(&texts, numbers.clone(), default(node, ElemType::I64)?)?;
    boxed(Encoder(vec![there, Table::new(&numbers, texts, default(node, ElemType::String)?)?]))
}

/// The list that the node gives under one of the names of `kind`.
fn list(node: &NodeDef<'_>, kind: &str) -> Result<Option<Tensor>> {
    if let Some(tensor) = node.tensor(&format!("{kind}_tensor"))? {
        return Ok(Some(tensor));
    }
    if let Some(texts) = node.texts(&format!("{kind}_strings"))?.filter(|all| !all.is_empty()) {
        return vector(texts).map(Some);
    }
    if let Some(ints) = node.ints(&format!("{kind}_int64s"))?.filter(|all| !all.is_empty()) {
        return vector(ints).map(Some);
    }
    node.floats(&format!("{kind}_floats"))?.filter(|all| !all.is_empty()).map(vector).transpose()
}

fn vector<T: Element>(all: Vec<T>) -> Result<Tensor> {
    Tensor::from_vec(&[all.len()][..], all)
}

/// The value for what has no key: one element of type `elem`.
#[allow(clippy::cast_possible_truncation)]
fn default(node: &NodeDef<'_>, elem: ElemType) -> Result<Tensor> {
    if let Some(given) = node.tensor("default_tensor")?
        && given.elem() == elem
        && given.len() == 1
    {
        return Ok(given);
    }
    let int = || node.int_or("default_int64", -1);
    let float = || node.float_or("default_float", -0.0);
    match elem {
        ElemType::String => {
            Tensor::scalar(Text::copy_from_slice(node.string_or("default_string", "_Unused")?.as_bytes()))
        }
        ElemType::I64 => Tensor::scalar(int()?),
        ElemType::I32 => Tensor::scalar(int()? as i32),
        ElemType::I16 => Tensor::scalar(int()? as i16),
        ElemType::F32 => Tensor::scalar(float()?),
        ElemType::F64 => Tensor::scalar(f64::from(float()?)),
        other => Err(OpError::unsupported(format!("values of {other} are not supported"))),
    }
}

impl Table {
    fn new(keys: &Tensor, values: Tensor, default: Tensor) -> Result<Self> {
        if keys.len() != values.len() {
            return Err(OpError::invalid(format!("{} keys for {} values", keys.len(), values.len())));
        }
        Ok(Self { keys: Keys::new(keys)?, values, default })
    }

    #[allow(clippy::clone_on_copy)]
    fn run(&self, input: &Tensor) -> Result<Tensor> {
        let places = self.keys.places(input)?;
        dispatch!(self.values.elem(), Any, T => {
            let (values, default) = (self.values.view::<T>()?, self.default.to_scalar::<T>()?);
            let found = places.into_iter().map(|place| place.map_or_else(|| default.clone(), |i| values[i].clone()));
            Tensor::from_vec(input.shape().clone(), found.collect())
        })
    }
}

impl Keys {
    fn new(keys: &Tensor) -> Result<Self> {
        Ok(match keys.elem() {
            ElemType::String => Self::Texts(first_places(keys.to_vec::<Text>()?)),
            elem if elem.is_int() => Self::Ints(elem, first_places(keys.to_ints()?)),
            elem => Self::Floats(elem, first_places(bits(keys)?)),
        })
    }

    fn forget_nan(&mut self) {
        if let Self::Floats(_, table) = self {
            table.remove(&f64::NAN.to_bits());
        }
    }

    const fn elem(&self) -> ElemType {
        match self {
            Self::Ints(elem, _) | Self::Floats(elem, _) => *elem,
            Self::Texts(_) => ElemType::String,
        }
    }

    fn places(&self, input: &Tensor) -> Result<Vec<Option<usize>>> {
        Ok(match self {
            Self::Ints(_, table) => input.to_ints()?.iter().map(|key| table.get(key).copied()).collect(),
            Self::Floats(_, table) => bits(input)?.iter().map(|key| table.get(key).copied()).collect(),
            Self::Texts(table) => input.view::<Text>()?.iter().map(|key| table.get(key).copied()).collect(),
        })
    }
}

/// The place of each key; of equal keys the first counts.
fn first_places<K: Hash + Eq>(keys: Vec<K>) -> HashMap<K, usize> {
    let mut places = HashMap::with_capacity(keys.len());
    for (place, key) in keys.into_iter().enumerate() {
        places.entry(key).or_insert(place);
    }
    places
}

/// Floats as keys: their bits as `f64`, with one nought and one NaN.
fn bits(tensor: &Tensor) -> Result<Vec<u64>> {
    let bits = |value: f64| match value {
        value if value.is_nan() => f64::NAN.to_bits(),
        value => (value + 0.0).to_bits(),
    };
    Ok(match tensor.elem() {
        ElemType::F32 => tensor.view::<f32>()?.iter().map(|&v| bits(f64::from(v))).collect(),
        ElemType::F16 => tensor.view::<f16>()?.iter().map(|v| bits(v.to_f64())).collect(),
        _ => tensor.view::<f64>()?.iter().map(|&v| bits(v)).collect(),
    })
}

impl Op for Encoder {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let table = inputs.elem(0).and_then(|elem| self.0.iter().find(|table| table.keys.elem() == elem));
        Ok(vec![Fact::tensor(table.map(|table| table.values.elem()), inputs.shape(0).cloned())])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let table = self.0.iter().find(|table| table.keys.elem() == input.elem());
        let table =
            table.ok_or_else(|| OpError::invalid(format!("no keys fit elements of {}", input.elem())))?;
        one(table.run(input)?)
    }
}
