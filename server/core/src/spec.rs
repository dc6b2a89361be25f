//! What a model takes and gives, and the check of a request against it.
//!
//! Invariant: where `max_batch_size` is above 0, the first dimension of every input and output is the
//! batch, and counts rows.

use std::{fmt, sync::Arc};

use crate::{DType, Error, InferRequest, NamedTensor, Result, Shape};

/// A dimension of a tensor's specification.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Dim {
    /// Exactly this size.
    Fixed(usize),
    /// Any size; equal names must have equal sizes within one request.
    Free(Option<Arc<str>>),
}

impl Dim {
    /// The protocols' form: the size, or -1 where any size goes.
    pub fn wire(&self) -> i64 {
        match self {
            Self::Fixed(size) => i64::try_from(*size).unwrap_or(i64::MAX),
            Self::Free(_) => -1,
        }
    }

    fn accepts(&self, size: usize) -> bool {
        match self {
            Self::Fixed(expected) => *expected == size,
            Self::Free(_) => true,
        }
    }
}

/// An input or output of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Its name.
    pub name: String,
    /// Its element type.
    pub dtype: DType,
    /// Its dimensions, the batch included; `None` where not even the rank is known.
    pub dims: Option<Vec<Dim>>,
    /// An input that may be left out of a request.
    pub optional: bool,
}

impl TensorSpec {
    /// A required tensor; -1 among `dims` means any size.
    pub fn new(name: impl Into<String>, dtype: DType, dims: &[i64]) -> Self {
        let dims = dims.iter().map(|&d| usize::try_from(d).map_or(Dim::Free(None), Dim::Fixed));
        Self { name: name.into(), dtype, dims: Some(dims.collect()), optional: false }
    }

    /// The dimensions as the protocols show them; an unknown rank shows as one free dimension.
    pub fn wire_shape(&self) -> Vec<i64> {
        self.dims.as_ref().map_or_else(|| vec![-1], |dims| dims.iter().map(Dim::wire).collect())
    }

    fn accepts(&self, shape: &Shape) -> bool {
        self.dims.as_ref().is_none_or(|dims| {
            dims.len() == shape.len() && dims.iter().zip(shape.iter()).all(|(dim, &size)| dim.accepts(size))
        })
    }
}

/// Rows of a request: the size of its batch dimension, 1 for a model that does not batch.
pub type RowCount = usize;

/// What a model takes and gives.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ModelSpec {
    /// Inputs, in the model's order.
    pub inputs: Vec<TensorSpec>,
    /// Outputs, in the model's order.
    pub outputs: Vec<TensorSpec>,
    /// Most rows of one execution; 0 where the first dimension is no batch.
    pub max_batch_size: usize,
}

impl ModelSpec {
    /// The index of an input by name.
    pub fn input_index(&self, name: &str) -> Option<usize> {
        self.inputs.iter().position(|spec| spec.name == name)
    }

    /// The same, looked for at `guess` first: callers mostly give inputs in the model's order.
    pub fn input_index_near(&self, name: &str, guess: usize) -> Option<usize> {
        let guessed = self.inputs.get(guess).is_some_and(|spec| spec.name == name);
        if guessed { Some(guess) } else { self.input_index(name) }
    }

    /// The index of an output by name.
    pub fn output_index(&self, name: &str) -> Option<usize> {
        self.outputs.iter().position(|spec| spec.name == name)
    }

    /// Whether the first dimension counts rows.
    pub const fn batches(&self) -> bool {
        self.max_batch_size > 0
    }

    /// Checks names, element types, shapes and the batch dimension of a request, and counts its rows.
    ///
    /// # Errors
    /// `InvalidArgument` with what was expected, what came and which tensor it is about; `TooLarge` where
    /// the rows exceed `max_batch_size`.
    pub fn check(&self, request: &InferRequest) -> Result<RowCount> {
        let given = self.check_names(request)?;
        let inputs =
            || given.iter().zip(&self.inputs).filter_map(|(input, spec)| Some((input.as_ref()?, spec)));
        inputs().try_for_each(|(input, spec)| self.check_input(input, spec))?;
        check_shared_dims(inputs())?;
        self.check_rows(request)
    }

    /// What the request gives for each of the inputs, where it does.
    fn check_names<'a>(&self, request: &'a InferRequest) -> Result<Vec<Option<&'a NamedTensor>>> {
        let mut given = vec![None; self.inputs.len()];
        for (position, input) in request.inputs.iter().enumerate() {
            let index = self.input_index_near(&input.name, position).ok_or_else(|| {
                let known = names(&self.inputs);
                Error::invalid(format!("unexpected input '{}', the inputs are {known}", input.name))
            })?;
            if given[index].replace(input).is_some() {
                return Err(Error::invalid(format!("input '{}' is given twice", input.name)));
            }
        }
        let missing = self.inputs.iter().zip(&given).find(|(spec, given)| given.is_none() && !spec.optional);
        if let Some((spec, _)) = missing {
            return Err(Error::invalid(format!("input '{}' is missing, expected {spec}", spec.name)));
        }
        self.check_outputs(request)?;
        Ok(given)
    }

    fn check_outputs(&self, request: &InferRequest) -> Result<()> {
        for (i, output) in request.outputs.iter().enumerate() {
            if self.output_index(&output.name).is_none() {
                let known = names(&self.outputs);
                return Err(Error::invalid(format!(
                    "unknown output '{}', the outputs are {known}",
                    output.name
                )));
            }
            if request.outputs[..i].iter().any(|earlier| earlier.name == output.name) {
                return Err(Error::invalid(format!("output '{}' is requested twice", output.name)));
            }
        }
        Ok(())
    }

    fn check_input(&self, input: &NamedTensor, spec: &TensorSpec) -> Result<()> {
        let (dtype, shape) = (input.tensor.dtype(), input.tensor.shape());
        if dtype == spec.dtype && spec.accepts(shape) {
            return Ok(());
        }
        let hint = if self.batches() { " (the first dimension is the batch)" } else { "" };
        Err(Error::invalid(format!("input '{}' must be {spec}{hint}, got {dtype}{shape}", input.name)))
    }

    fn check_rows(&self, request: &InferRequest) -> Result<RowCount> {
        if !self.batches() {
            return Ok(1);
        }
        let mut rows: Option<(usize, &str)> = None;
        for input in &request.inputs {
            let came = input.tensor.shape().first().copied().unwrap_or(0);
            match rows {
                Some((expected, by)) if expected != came => {
                    return Err(Error::invalid(format!(
                        "all inputs must have the same batch size: '{by}' has {expected} rows, '{}' has {came}",
                        input.name
                    )));
                }
                Some(_) => {}
                None => rows = Some((came, &input.name)),
            }
        }
        let rows = rows.map_or(1, |(rows, _)| rows);
        match rows {
            0 => Err(Error::invalid("a batch must have at least 1 row, got 0")),
            _ if rows > self.max_batch_size => Err(Error::new(
                crate::ErrorCode::TooLarge,
                format!(
                    "a batch of {rows} rows exceeds the model's max_batch_size of {}",
                    self.max_batch_size
                ),
            )),
            _ => Ok(rows),
        }
    }
}

fn check_shared_dims<'a>(inputs: impl Iterator<Item = (&'a &'a NamedTensor, &'a TensorSpec)>) -> Result<()> {
    let mut bound: Vec<(&Arc<str>, usize, &str)> = Vec::new();
    for (input, spec) in inputs {
        let dims = spec.dims.iter().flatten();
        for (dim, &size) in dims.zip(input.tensor.shape().iter()) {
            let Dim::Free(Some(symbol)) = dim else { continue };
            match bound.iter().find(|(known, ..)| *known == symbol) {
                Some((_, expected, by)) if *expected != size => {
                    return Err(Error::invalid(format!(
                        "dimension '{symbol}' is {expected} in input '{by}' but {size} in input '{}'",
                        spec.name
                    )));
                }
                Some(_) => {}
                None => bound.push((symbol, size, &spec.name)),
            }
        }
    }
    Ok(())
}

impl fmt::Display for TensorSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims = self.wire_shape().iter().map(i64::to_string).collect::<Vec<_>>().join(",");
        write!(f, "{}[{dims}]", self.dtype)
    }
}

fn names(specs: &[TensorSpec]) -> String {
    specs.iter().map(|spec| format!("'{}'", spec.name)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
