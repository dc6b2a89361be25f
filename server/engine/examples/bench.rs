//! Milliseconds of one run of a model, from a session's bytes to its bytes: the command line and the answer
//! of `girandole bench --json`, without the rest of the server to build. With `--callers N` as many sessions of
//! one model run at once, each on a thread of its own, as instances of a server do.
//!
//! `cargo run --release -p girandole-engine --example bench -- bench MODEL --batch 1 --threads 1 --seconds 2`

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Barrier, mpsc},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use girandole_core::{
    Batch, BatchInput, DType, Dim, Error, Folder, LoadOptions, LoadRequest, Loader, ModelSpec, Reply,
    Session, SessionOptions, Shape, TensorSpec,
};
use girandole_engine::Engine;

/// The server's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse(std::env::args().skip(1));
    let model = Engine.load(&LoadRequest {
        name: "model".into(),
        version: 1,
        files: Arc::new(Folder::of(&options.path)),
        options: LoadOptions::default(),
    })?;
    let threads = options.number("--threads", 1.0) as usize;
    let rows = options.number("--batch", 1.0) as usize;
    let batch = batch(model.spec(), rows, &options.dims);
    let during = Duration::from_secs_f64(options.number("--seconds", 2.0));
    let callers = (options.number("--callers", 1.0) as usize).max(1);
    let sessions =
        (0..callers).map(|_| model.session(&SessionOptions { threads, ..SessionOptions::default() }));
    let sessions = sessions.collect::<Result<Vec<_>, Error>>()?;
    let begin = Barrier::new(callers);
    let mut times = thread::scope(|scope| {
        let call = |session| scope.spawn(|| measured(session, &batch, during, &begin));
        let all: Vec<_> = sessions.into_iter().map(call).collect();
        let times = |each: thread::ScopedJoinHandle<'_, Result<Vec<f64>, Error>>| {
            each.join().map_err(|_| Error::internal("a caller failed"))?
        };
        all.into_iter().map(times).collect::<Result<Vec<_>, _>>()
    })?
    .concat();
    let items_per_s = (rows * callers * times.len()) as f64 * 1e3 / times.iter().sum::<f64>();
    times.sort_unstable_by(f64::total_cmp);
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    let (p50, p99) = (at(50), at(99));
    println!(
        r#"{{"batch": {rows}, "p50_ms": {p50:.4}, "p99_ms": {p99:.4}, "items_per_s": {items_per_s:.1}}}"#
    );
    Ok(())
}

/// The milliseconds of each run of a caller, once all are ready.
fn measured(
    mut session: Box<dyn Session>,
    batch: &Batch,
    during: Duration,
    begin: &Barrier,
) -> Result<Vec<f64>, Error> {
    let warm = run(session.as_mut(), batch.clone());
    begin.wait();
    warm?;
    let (begin, mut times) = (Instant::now(), Vec::new());
    while times.len() < 8 || begin.elapsed() < during {
        let start = Instant::now();
        run(session.as_mut(), batch.clone())?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(times)
}

/// `bench PATH --key value ...`; keys without a value are left out.
struct Options {
    path: PathBuf,
    values: HashMap<String, String>,
    dims: HashMap<String, usize>,
}

impl Options {
    fn parse(arguments: impl Iterator<Item = String>) -> Self {
        let mut options = Self { path: PathBuf::new(), values: HashMap::new(), dims: HashMap::new() };
        let mut arguments = arguments.filter(|word| word != "bench" && word != "--json");
        while let Some(word) = arguments.next() {
            if !word.starts_with("--") {
                options.path = word.into();
                continue;
            }
            let value = arguments.next().unwrap_or_default();
            match value.split_once('=') {
                Some((name, size)) => {
                    options.dims.insert(name.to_owned(), size.parse().unwrap_or(1));
                }
                None => {
                    options.values.insert(word, value);
                }
            }
        }
        options
    }

    fn number(&self, key: &str, default: f64) -> f64 {
        self.values.get(key).and_then(|value| value.parse().ok()).unwrap_or(default)
    }
}

fn run(session: &mut dyn Session, batch: Batch) -> Result<(), Error> {
    let (sender, receiver) = mpsc::channel();
    session.run(batch, Reply::new(move |outcome| drop(sender.send(outcome))));
    receiver.recv().map_err(|_| Error::internal("the session gave no answer"))?.map(drop)
}

/// Floats between -1 and 1, integers 1.
fn batch(spec: &ModelSpec, rows: usize, dims: &HashMap<String, usize>) -> Batch {
    let input = |(index, input): (usize, &TensorSpec)| {
        let shape = shape(input, spec.batches().then_some(rows), dims);
        let elements = shape.elements().unwrap_or(0);
        BatchInput { index, dtype: input.dtype, shape, parts: vec![made_up(input.dtype, elements)] }
    };
    let inputs = spec.inputs.iter().enumerate().map(input).collect();
    Batch { rows, inputs, outputs: (0..spec.outputs.len()).collect() }
}

fn shape(spec: &TensorSpec, rows: Option<usize>, named: &HashMap<String, usize>) -> Shape {
    let size = |(i, dim): (usize, &Dim)| match (dim, rows) {
        (_, Some(rows)) if i == 0 => rows,
        (Dim::Fixed(size), _) => *size,
        (Dim::Free(Some(name)), _) => named.get(&**name).copied().unwrap_or(1),
        (Dim::Free(None), _) => 1,
    };
    spec.dims.as_deref().unwrap_or_default().iter().enumerate().map(size).collect()
}

fn made_up(dtype: DType, elements: usize) -> Bytes {
    let size = dtype.size().unwrap_or(1);
    match dtype {
        DType::F32 => (0..elements).flat_map(|i| ((i % 201) as f32 / 100.0 - 1.0).to_le_bytes()).collect(),
        _ => (0..elements * size).map(|i| u8::from(i % size == 0)).collect(),
    }
}
