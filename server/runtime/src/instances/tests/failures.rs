//! Bad inputs, panics and exhausted memory: who pays.

use girandole_core::ErrorCode;

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
