//! Runs one case: import, plan, run on each data set, compare.

use std::{
    fs,
    panic::catch_unwind,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use girandole_core::Folder;
use girandole_engine::{Target, Tuning, onnx, plan::Plan, value::Value};
use girandole_proto::onnx::ModelProto;
use prost::Message;

use crate::{
    compare::compare,
    data::{self, Types},
    place::{Engine, Place},
};

/// How a case ended when it did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The model needs what the engine lacks; loading says what.
    Unsupported(String),
    /// Loading or running failed.
    Error(String),
    /// An output is of another type or shape.
    Mistyped(String),
    /// Elements of an output differ.
    Wrong(String),
    /// The engine panicked.
    Panic,
}

impl Failure {
    /// The kind, as the list of expected failures has it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Unsupported(_) => "unsupported",
            Self::Error(_) => "error",
            Self::Mistyped(_) => "mistyped",
            Self::Wrong(_) => "wrong",
            Self::Panic => "panic",
        }
    }

    /// What was missing or differed.
    pub fn message(&self) -> &str {
        match self {
            Self::Unsupported(message)
            | Self::Error(message)
            | Self::Mistyped(message)
            | Self::Wrong(message) => message,
            Self::Panic => "the engine panicked",
        }
    }
}

/// Runs the case in `folder`.
///
/// # Errors
/// How it failed.
pub fn run(folder: &Path, place: Place) -> Result<(), Failure> {
    let folder = folder.to_owned();
    catch_unwind(move || check(&folder, place)).unwrap_or(Err(Failure::Panic))
}

/// Runs the network `name` of `folder` on counted numbers, as the package's own runner makes them.
///
/// # Errors
/// How it failed.
pub fn run_network(folder: &Path, name: &str, place: Place) -> Result<(), Failure> {
    let (folder, name) = (folder.to_owned(), name.to_owned());
    catch_unwind(move || check_network(&folder, &name, place)).unwrap_or(Err(Failure::Panic))
}

fn check_network(folder: &Path, name: &str, place: Place) -> Result<(), Failure> {
    let (_, plan) = load(&folder.join(format!("{name}.onnx")), place)?;
    let inputs = plan.inputs().map(|input| data::counted(&input.fact)).collect::<Result<Vec<_>, _>>()?;
    let expected = data::tensor_of(&folder.join(format!("{name}_output_0.pb")))?;
    check_outputs(&Engine::new(plan, place)?, inputs, &[expected])
}

fn check(folder: &Path, place: Place) -> Result<(), Failure> {
    let (model, plan) = load(&folder.join("model.onnx"), place)?;
    let sets = data_sets(folder);
    if sets.is_empty() {
        return Err(Failure::Error("the case has no data".into()));
    }
    let types = Types::of(&model);
    let engine = Engine::new(plan, place)?;
    sets.iter().try_for_each(|set| check_set(&engine, &types, set))
}

fn load(path: &Path, place: Place) -> Result<(ModelProto, Plan), Failure> {
    let bytes = Bytes::from(fs::read(path).map_err(|error| Failure::Error(error.to_string()))?);
    let model = ModelProto::decode(bytes).map_err(|error| Failure::Error(error.to_string()))?;
    let target = if place == Place::Cpu { Target::Cpu } else { Target::Gpu };
    let tuning = Tuning { target, ..Tuning::default() };
    let file = onnx::import_from(&Folder::of(path), tuning).map_err(|error| load_failure(error.message()))?;
    let plan = Plan::new(file.graph).map_err(|error| load_failure(&error.to_string()))?;
    Ok((model, plan))
}

pub(crate) fn load_failure(message: &str) -> Failure {
    if message.contains("not supported") || message.contains("is unknown") {
        Failure::Unsupported(message.to_owned())
    } else {
        Failure::Error(message.to_owned())
    }
}

fn check_set(engine: &Engine, types: &Types, set: &Path) -> Result<(), Failure> {
    let inputs = data::values(set, "input", &types.inputs)?;
    let expected = data::values(set, "output", &types.outputs)?;
    check_outputs(engine, inputs, &expected)
}

fn check_outputs(engine: &Engine, inputs: Vec<Value>, expected: &[Value]) -> Result<(), Failure> {
    let outputs = engine.run(inputs)?;
    if outputs.len() != expected.len() {
        return Err(Failure::Mistyped(format!("{} outputs, expected {}", outputs.len(), expected.len())));
    }
    for (i, (output, expected)) in outputs.iter().zip(expected).enumerate() {
        compare(output, expected).map_err(|difference| difference.of(i))?;
    }
    Ok(())
}

fn data_sets(folder: &Path) -> Vec<PathBuf> {
    (0..).map(|i| folder.join(format!("test_data_set_{i}"))).take_while(|set| set.is_dir()).collect()
}
