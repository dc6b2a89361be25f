//! Bad inputs, panics and exhausted memory: who pays.

use std::sync::atomic::{AtomicUsize, Ordering};

use girandole_core::{ErrorCode, ModelSpec, Session, SessionOptions};

use super::*;

/// The first byte of the batch's rows that is at least 100.
fn poison(batch: &Batch) -> Option<u8> {
    batch.inputs.iter().flat_map(|input| input.parts.concat()).find(|&byte| byte >= 100)
}

/// Sends these single rows as one batch behind an occupied session; the outcomes, and the batches seen.
async fn outcomes(bench: &Bench, values: &[u8]) -> Vec<Result<u8, ErrorCode>> {
    let first = bench.occupy();
    let mut waiting = Vec::new();
    for (i, &value) in values.iter().enumerate() {
        waiting.push(bench.send(&[value]));
        bench.queued(i + 1).await;
    }
    bench.gate.open();
    answered(first).await;
    let mut outcomes = Vec::new();
    for request in waiting {
        let outcome = request.await.unwrap();
        outcomes.push(outcome.map(|answer| bytes(&answer.tensors[0])[0]).map_err(|error| error.code()));
    }
    outcomes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_input_costs_only_its_own_caller() {
    let bench = Bench::with(settings(8), |batch| match poison(batch) {
        Some(_) => Err(Error::invalid("a value is out of range")),
        None => echo(batch),
    });
    let came = outcomes(&bench, &[1, 100, 2]).await;
    assert_eq!(came, [Ok(1), Err(ErrorCode::InvalidArgument), Ok(2)]);
    assert_eq!(bench.batches()[1..], [vec![1, 100, 2], vec![1], vec![100], vec![2]]);
    assert_eq!(bench.serving.statistics().inference.fail.count, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_costs_half_a_batch_at_most_and_the_session_lives_on() {
    let bench = Bench::with(settings(8), |batch| match poison(batch) {
        Some(_) => panic!("poison"),
        None => echo(batch),
    });
    let came = outcomes(&bench, &[1, 2, 100, 3]).await;
    assert_eq!(came, [Ok(1), Ok(2), Err(ErrorCode::Internal), Err(ErrorCode::Internal)]);
    assert_eq!(answered(bench.send(&[4])).await, [4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_too_large_for_the_memory_is_run_in_smaller_ones() {
    let bench = Bench::with(settings(8), |batch| match batch.rows {
        3.. => Err(Error::new(ErrorCode::OutOfMemory, "no memory")),
        _ => echo(batch),
    });
    let came = outcomes(&bench, &[1, 2, 3, 4, 5]).await;
    assert_eq!(came, [Ok(1), Ok(2), Ok(3), Ok(4), Ok(5)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_that_cannot_be_cut_fail_the_batch_with_the_reason() {
    let bench = Bench::with(settings(8), |batch| {
        let mut outputs = echo(batch)?;
        for tensor in &mut outputs.tensors {
            *tensor = tensor.rows(0, 1)?;
        }
        Ok(outputs)
    });
    bench.gate.open();
    let error = refused(bench.send(&[1, 2])).await;
    assert_eq!(error.code(), ErrorCode::Internal);
    assert!(error.message().contains("does not keep the batch"), "{error}");
}

/// Its first session panics; the others pass the gate when they are opened.
struct Fragile(ModelSpec, AtomicUsize, Gate);

impl Model for Fragile {
    fn spec(&self) -> &ModelSpec {
        &self.0
    }

    fn session(&self, options: &SessionOptions) -> Result<Box<dyn Session>> {
        let first = self.1.fetch_add(1, Ordering::SeqCst) == 0;
        if !first {
            self.2.pass();
        }
        let run = move |batch: &Batch| if first { panic!("poison") } else { echo(batch) };
        MockModel::new(self.0.clone(), Arc::new(run)).session(options)
    }

    fn memory(&self) -> Vec<MemoryUse> {
        Vec::new()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_is_kept_while_a_session_is_opened_anew() {
    let gate = Gate::default();
    let serving = Serving::start(ServingOptions {
        model: Arc::new(Fragile(spec(8), AtomicUsize::new(0), gate.clone())),
        settings: Arc::new(settings(8)),
        name: "m".into(),
        version: 1,
        cores: CoreBudget::new(1),
        on_turned: None,
        on_closed: None,
    });
    let bench = Bench { serving: Arc::new(serving.unwrap()), gate: gate.clone(), seen: Seen::default() };
    assert_eq!(refused(bench.send(&[1])).await.code(), ErrorCode::Internal);
    let late = bench.send_with(&[2], |request| request.queue_timeout = Some(5 * MS));
    let staying = bench.send(&[3]);
    assert_eq!(refused(late).await.code(), ErrorCode::DeadlineExceeded);
    gate.wait_for(1);
    gate.open();
    assert_eq!(answered(staying).await, [3]);
}
