//! `girandole bench`: a model's latency and throughput by batch size, without a server.

use std::{
    collections::BTreeSet,
    process::ExitCode,
    time::{Duration, Instant},
};

use bytes::Bytes;
use girandole_core::{
    Batch, BatchInput, DType, Dim, Error, LoadOptions, ModelSpec, Session, SessionOptions, Shape, TensorSpec,
    bytes_tensor,
};
use serde_json::json;

use super::{Outcome, output::say, test_data};
use crate::{cli::BenchOptions, model_file};

/// Runs before the clock starts.
const WARMUP_RUNS: usize = 3;
/// Fewest measured runs, however long they take.
const MIN_RUNS: usize = 5;

pub(crate) fn run(options: &BenchOptions) -> Outcome {
    let placement = options.device;
    let parameters = options.precision.iter().map(|precision| ("precision".to_owned(), precision.clone()));
    let load = LoadOptions { placements: vec![placement], parameters: parameters.collect() };
    let model = model_file::load(&options.model, load)?;
    let threads = options.threads.unwrap_or_else(girandole_engine::device::default_threads);
    let mut session = model.session(&SessionOptions { placement, threads })?;
    if let Some(folder) = &options.io {
        return test_data::check(session.as_mut(), model.spec(), folder, options.json);
    }
    if !options.json {
        say!("{:>8} {:>12} {:>12} {:>12} {:>14}", "batch", "p50 ms", "p99 ms", "device ms", "items/s");
    }
    for &rows in &options.batch {
        let batch = batch(model.spec(), rows, &options.dims)?;
        let figures = measure(session.as_mut(), &batch, Duration::from_secs_f64(options.seconds))?;
        figures.print(rows, options.json);
    }
    Ok(ExitCode::SUCCESS)
}

struct Figures {
    p50: Duration,
    p99: Duration,
    /// The computation alone, without copies: what the session says of it.
    device_p50: Duration,
    items_per_s: f64,
}

impl Figures {
    fn print(&self, rows: usize, as_json: bool) {
        let ms = |duration: Duration| (duration.as_secs_f64() * 1e6).round() / 1e3;
        let (p50, p99, items) = (ms(self.p50), ms(self.p99), self.items_per_s.round());
        let device = ms(self.device_p50);
        if as_json {
            let figures = json!({
                "batch": rows, "p50_ms": p50, "p99_ms": p99, "device_p50_ms": device, "items_per_s": items,
            });
            say!("{figures}");
        } else {
            say!("{rows:>8} {p50:>12.3} {p99:>12.3} {device:>12.3} {items:>14}");
        }
    }
}

fn measure(session: &mut dyn Session, batch: &Batch, during: Duration) -> Result<Figures, Error> {
    for _ in 0..WARMUP_RUNS {
        model_file::run(session, batch.clone())?;
    }
    let (mut times, mut computed) = (Vec::new(), Vec::new());
    let begin = Instant::now();
    while times.len() < MIN_RUNS || begin.elapsed() < during {
        let start = Instant::now();
        let outputs = model_file::run(session, batch.clone())?;
        times.push(start.elapsed());
        computed.push(outputs.compute_infer);
    }
    times.sort_unstable();
    computed.sort_unstable();
    let total: Duration = times.iter().sum();
    Ok(Figures {
        p50: percentile(&times, 50),
        p99: percentile(&times, 99),
        device_p50: percentile(&computed, 50),
        items_per_s: (times.len() * batch.rows) as f64 / total.as_secs_f64(),
    })
}

/// The value that `percent` of the sorted times do not exceed.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// A batch of made-up inputs: the same in every run, floats between -1 and 1, integers 1.
pub(crate) fn batch(spec: &ModelSpec, rows: usize, dims: &[(String, usize)]) -> Result<Batch, Error> {
    if rows > 1 && !spec.batches() {
        return Err(Error::invalid(format!("the model does not batch; a batch of {rows} cannot run")));
    }
    check_names(spec, dims)?;
    let input = |(index, input): (usize, &TensorSpec)| {
        let shape = shape(input, spec.batches().then_some(rows), dims);
        let data = made_up(input.dtype, shape.elements().unwrap_or(0));
        BatchInput { index, dtype: input.dtype, shape, parts: vec![data] }
    };
    let inputs = spec.inputs.iter().enumerate().map(input).collect();
    Ok(Batch { rows, inputs, outputs: (0..spec.outputs.len()).collect() })
}

/// A size that no dimension takes would be a figure of something else.
fn check_names(spec: &ModelSpec, dims: &[(String, usize)]) -> Result<(), Error> {
    let all = spec.inputs.iter().flat_map(|input| input.dims.iter().flatten());
    let free: BTreeSet<&str> = all
        .filter_map(|dim| match dim {
            Dim::Free(Some(name)) => Some(&**name),
            _ => None,
        })
        .collect();
    let Some((unknown, _)) = dims.iter().find(|(name, _)| !free.contains(name.as_str())) else {
        return Ok(());
    };
    let free: Vec<_> = free.into_iter().collect();
    let there = if free.is_empty() { "none with a name".to_owned() } else { free.join(", ") };
    Err(Error::invalid(format!(
        "no free dimension of the inputs is called '{unknown}', expected one of: {there}"
    )))
}

fn shape(spec: &TensorSpec, rows: Option<usize>, named: &[(String, usize)]) -> Shape {
    let dims = spec.dims.as_deref().unwrap_or_default();
    let size = |(i, dim): (usize, &Dim)| match (dim, rows) {
        (_, Some(rows)) if i == 0 => rows,
        (Dim::Fixed(size), _) => *size,
        (Dim::Free(Some(name)), _) => {
            named.iter().find(|(known, _)| **known == **name).map_or(1, |(_, size)| *size)
        }
        (Dim::Free(None), _) => 1,
    };
    dims.iter().enumerate().map(size).collect()
}

fn made_up(dtype: DType, elements: usize) -> Bytes {
    let wave = |i: usize| ((i % 201) as f32 - 100.0) / 100.0;
    let floats = (0..elements).map(wave);
    match dtype {
        DType::F32 => floats.flat_map(f32::to_le_bytes).collect(),
        DType::F64 => floats.flat_map(|v| f64::from(v).to_le_bytes()).collect(),
        DType::F16 => floats.flat_map(|v| half::f16::from_f32(v).to_le_bytes()).collect(),
        DType::BF16 => floats.flat_map(|v| half::bf16::from_f32(v).to_le_bytes()).collect(),
        DType::Bytes => bytes_tensor::encode(std::iter::repeat_n(&b"1"[..], elements)),
        other => {
            let size = other.size().unwrap_or(1);
            (0..elements * size).map(|i| u8::from(i % size == 0)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_dimensions_take_their_size_and_rows_come_first() {
        let mut input = TensorSpec::new("ids", DType::I64, &[-1, -1]);
        if let Some(dims) = &mut input.dims {
            dims[1] = Dim::Free(Some("seq".into()));
        }
        let spec = ModelSpec { inputs: vec![input], outputs: vec![], max_batch_size: 1 };
        let batch = batch(&spec, 4, &[("seq".into(), 3)]).unwrap();
        assert_eq!(batch.inputs[0].shape, Shape::new(&[4, 3]));
        assert_eq!(batch.inputs[0].parts[0][..9], [1, 0, 0, 0, 0, 0, 0, 0, 1]);
        let error = super::batch(&spec, 4, &[("sequence".into(), 3)]).unwrap_err();
        assert!(error.message().contains("called 'sequence', expected one of: seq"), "{error}");
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let times: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(percentile(&times, 50), Duration::from_millis(50));
        assert_eq!(percentile(&times, 99), Duration::from_millis(99));
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }
}
