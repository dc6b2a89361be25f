//! One broken file: load it, run it once where it loads, note what panicked where and how long it took.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, Once},
    time::{Duration, Instant},
};

use bytes::Bytes;
use girandole_core::{Error, Shape};
use girandole_engine::{
    graph::ValueInfo,
    onnx::tensor_from_proto,
    ops::RunContext,
    plan::Plan,
    value::{ElemType, Tensor, Value, from_parts, to_wire},
};

use girandole_proto::onnx::{ModelProto, TensorProto, TypeProto, ValueInfoProto, type_proto};
use prost::Message;

use super::random::Random;
use crate::load;

/// How long a run may take, and how much longer until it must have ended: one step is not interrupted.
const DEADLINE: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(5);

/// The most elements of a made-up input.
const MOST: usize = 1 << 12;

/// Where code panicked since the last look.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A file to try, and the values of those of its inputs that are not made up.
pub(super) struct File {
    bytes: Bytes,
    given: Vec<TensorProto>,
}

impl From<Bytes> for File {
    fn from(bytes: Bytes) -> Self {
        Self { bytes, given: Vec::new() }
    }
}

impl From<ModelProto> for File {
    fn from(model: ModelProto) -> Self {
        Bytes::from(model.encode_to_vec()).into()
    }
}

impl File {
    /// The model with its constants given when it runs, so that nothing of them is known when it loads.
    pub(super) fn of_inputs(mut model: ModelProto) -> Self {
        let graph = model.graph.get_or_insert_default();
        let given = std::mem::take(&mut graph.initializer);
        for tensor in &given {
            let kind = type_proto::Tensor { elem_type: tensor.data_type, shape: None };
            let value = Some(type_proto::Value::TensorType(kind));
            let r#type = Some(TypeProto { value, ..Default::default() });
            graph.input.push(ValueInfoProto { name: tensor.name.clone(), r#type });
        }
        Self { given, ..model.into() }
    }
}

/// What came of many files.
#[derive(Default)]
pub(super) struct Trials {
    loaded: usize,
    ran: usize,
    refused: usize,
    failures: BTreeMap<String, String>,
}

impl Trials {
    /// Tries one file; `name` says how to make it again.
    pub(super) fn add(&mut self, name: &str, file: &File, random: &mut Random) {
        let begin = Instant::now();
        match run_once(file, random, false) {
            Err(place) => drop(self.failures.entry(place).or_insert_with(|| name.to_owned())),
            Ok(Err(Some(_))) => self.refused += 1,
            Ok(Err(None)) => self.loaded += 1,
            Ok(Ok(())) => self.ran += 1,
        }
        if begin.elapsed() > PATIENCE {
            self.failures.insert(format!("slow: {name}"), format!("{:?}", begin.elapsed()));
        }
    }

    pub(super) fn assert_harmless(self) {
        let Self { loaded, ran, refused, failures } = self;
        println!("{ran} ran, {loaded} loaded and failed, {refused} were refused");
        assert!(failures.is_empty(), "{} failures: {failures:#?}", failures.len());
        assert!(ran > 0 && refused > 0, "the mutations are all of one kind");
    }
}

/// Loads and runs one file. The outer error is where the engine panicked; the inner one is that of loading,
/// or `None` where the run failed. `strict` tells why a run fails.
pub(super) fn run_once(
    file: &File,
    random: &mut Random,
    strict: bool,
) -> Result<Result<(), Option<Error>>, String> {
    note_panics();
    PANICS.lock().unwrap().clear();
    let loaded = catch_unwind(AssertUnwindSafe(|| load(file.bytes.clone())));
    let plan = match loaded {
        Err(_) => return Err(format!("while loading: {}", first_panic(|_| true).unwrap_or_default())),
        Ok(Err(error)) => return Ok(Err(Some(error))),
        Ok(Ok(plan)) => plan,
    };
    let ran = catch_unwind(AssertUnwindSafe(|| run(&plan, &file.given, random)));
    let ran = match ran {
        Ok(ran) => ran.map_err(|error| strict.then_some(error)),
        Err(_) if PANICS.lock().unwrap().is_empty() => return Err("while running: nobody knows where".into()),
        Err(_) => Err(None),
    };
    // A session catches what candle panics on; the engine's own code must not.
    match first_panic(|place| !place.contains("/candle-")) {
        Some(place) => Err(format!("while running: {place}")),
        None => Ok(ran),
    }
}

fn run(plan: &Plan, given: &[TensorProto], random: &mut Random) -> Result<(), Error> {
    let rows = random.pick(&[0, 1, 2, 3, 5]);
    let value = |info: &ValueInfo| {
        let proto = given.iter().find(|tensor| tensor.name == info.name);
        let known = proto.and_then(|proto| tensor_from_proto(proto, None).ok());
        known.map_or_else(|| made_up(info, rows, random), Value::Tensor)
    };
    let inputs = plan.inputs().map(value).collect();
    let limits = RunContext { max_iterations: 10_000, ..RunContext::within(DEADLINE) };
    let outputs = plan.run(inputs, &limits).map_err(|error| error.at("model"))?;
    for output in outputs {
        if let Value::Tensor(tensor) = output {
            to_wire(&tensor).map_err(|error| error.at("output"))?;
        }
    }
    Ok(())
}

/// A value that fits what the model says of its input, as far as that is of a sensible size.
fn made_up(info: &ValueInfo, rows: usize, random: &mut Random) -> Value {
    let fact = &info.fact;
    let dims = fact.shape.as_ref().map(|dims| dims.iter().map(|dim| dim.known().unwrap_or(rows)).collect());
    let shape: Shape = dims.unwrap_or_else(|| Shape::new(&[rows, 3]));
    let extent = shape.iter().try_fold(1usize, |all, &dim| all.checked_mul(dim.max(1)));
    let fits = extent.is_some_and(|extent| extent <= MOST);
    let shape = if fits { shape } else { shape.iter().map(|&dim| dim.min(2)).take(8).collect() };
    let elem = fact.elem.unwrap_or(ElemType::F32);
    let len = shape.elements().unwrap();
    let tensor = match elem {
        ElemType::F32 => {
            Tensor::from_vec(shape, (0..len).map(|_| random.pick(&[0.5f32, -1.0, 2.0])).collect())
        }
        ElemType::I64 => Tensor::from_vec(shape, (0..len).map(|_| random.pick(&[0i64, 1, 2, -1])).collect()),
        ElemType::String => Tensor::from_vec(shape, (0..len).map(|_| Bytes::from_static(b"a")).collect()),
        other => {
            let data = vec![random.pick(&[0u8, 1]); len * other.wire().size().unwrap()];
            from_parts(other.wire(), &shape, &[data.into()])
        }
    };
    Value::Tensor(tensor.unwrap())
}

/// Notes the place of each panic instead of printing it, unless it is a test's own.
fn note_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            if place.contains("tests/load") {
                return print(info);
            }
            let message = info.payload_as_str().unwrap_or_default();
            PANICS.lock().unwrap().push(format!("{place}: {message}"));
        }));
    });
}

fn first_panic(counts: impl Fn(&str) -> bool) -> Option<String> {
    PANICS.lock().unwrap().drain(..).find(|place| counts(place))
}
