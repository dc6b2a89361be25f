//! How long a model takes to load and how much memory it takes, in a process of its own:
//!
//! ```text
//! cargo run --release -p girandole-engine --example footprint -- THREADS RUNS MODEL.onnx DATA_SET_FOLDER...
//! ```
//! Loads the model, runs each data set (`input_N.pb`, as ONNX's test data have them) so many times, and prints
//! one line of JSON: `load_ms`, and resident MiB by the system's count: `base` before the model, `load_peak`
//! up to the end of loading, `loaded` then, `peak` from then on.

use std::{
    fs,
    path::Path,
    sync::{Arc, mpsc},
    time::Instant,
};

use girandole_core::{
    Batch, BatchInput, Error, Folder, LoadOptions, LoadRequest, Loader, ModelSpec, Reply, Session,
    SessionOptions, Tensor,
};
use girandole_engine::{Engine, onnx::tensor_from_proto, value::to_wire};
use girandole_proto::onnx::TensorProto;
use prost::Message;

/// The server's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [threads, runs, model, folders @ ..] = &arguments[..] else {
        return Err("expected THREADS RUNS MODEL.onnx DATA_SET_FOLDER...".into());
    };
    let data_sets = folders.iter().map(|folder| data_set(Path::new(folder))).collect::<Outcome<Vec<_>>>()?;
    let base = forget_peak()?;
    let begin = Instant::now();
    let model = Engine.load(&LoadRequest {
        name: "model".into(),
        version: 1,
        files: Arc::new(Folder::of(model)),
        options: LoadOptions::default(),
    })?;
    let mut session =
        model.session(&SessionOptions { threads: threads.parse()?, ..SessionOptions::default() })?;
    let load_ms = begin.elapsed().as_secs_f64() * 1e3;
    let load_peak = resident("VmHWM")?;
    let loaded = forget_peak()?;
    for data_set in data_sets {
        let batch = batch(model.spec(), data_set)?;
        (0..runs.parse()?).try_for_each(|_| run(session.as_mut(), batch.clone()))?;
    }
    let peak = resident("VmHWM")?;
    println!(
        r#"{{"load_ms": {load_ms:.3}, "base": {base:.2}, "load_peak": {load_peak:.2}, "loaded": {loaded:.2}, "peak": {peak:.2}}}"#
    );
    Ok(())
}

/// MiB of a line of this process's status.
fn resident(line: &str) -> Outcome<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let value =
        status.lines().find_map(|text| text.strip_prefix(line)).ok_or("the system counts no memory")?;
    Ok(value.trim_matches(|c: char| !c.is_ascii_digit()).parse::<f64>()? / 1024.0)
}

/// Lets the system's count of the peak begin anew; MiB resident now.
fn forget_peak() -> Outcome<f64> {
    fs::write("/proc/self/clear_refs", "5")?;
    resident("VmRSS")
}

fn run(session: &mut dyn Session, batch: Batch) -> Result<(), Error> {
    let (sender, receiver) = mpsc::channel();
    session.run(batch, Reply::new(move |outcome| drop(sender.send(outcome))));
    receiver.recv().map_err(|_| Error::internal("the session gave no answer"))?.map(drop)
}

/// A data set's tensors and their names.
fn data_set(folder: &Path) -> Outcome<Vec<(String, Tensor)>> {
    let files = (0..).map_while(|number| fs::read(folder.join(format!("input_{number}.pb"))).ok());
    let tensor = |bytes: Vec<u8>| {
        let proto = TensorProto::decode(&bytes[..])?;
        let tensor = to_wire(&tensor_from_proto(&proto, None)?)?;
        Ok((proto.name, tensor))
    };
    files.map(tensor).collect()
}

/// A data set as a batch for the model.
fn batch(spec: &ModelSpec, data_set: Vec<(String, Tensor)>) -> Outcome<Batch> {
    let mut batch = Batch { rows: 1, inputs: Vec::new(), outputs: (0..spec.outputs.len()).collect() };
    for (name, tensor) in data_set {
        let index = spec.inputs.iter().position(|input| input.name == name);
        let index = index.ok_or_else(|| format!("the model has no input '{name}'"))?;
        let shape = tensor.shape().clone();
        if let Some(&rows) = shape.first().filter(|_| spec.batches()) {
            batch.rows = rows;
        }
        batch.inputs.push(BatchInput {
            index,
            dtype: tensor.dtype(),
            shape,
            parts: vec![tensor.data().clone()],
        });
    }
    batch.inputs.sort_by_key(|input| input.index);
    Ok(batch)
}
