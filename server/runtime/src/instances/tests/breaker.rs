//! What a version's breaker hears of its runs.

use girandole_core::ErrorCode;

use super::*;

/// Fails for rows of 100 and more.
fn fragile(code: ErrorCode) -> Bench {
    let bench = Bench::with(settings(8), move |batch| {
        let bad = batch.inputs.iter().any(|input| input.parts.concat().iter().any(|&byte| byte >= 100));
        if bad { Err(Error::new(code, "as asked")) } else { echo(batch) }
    });
    bench.gate.open();
    bench
}

async fn fail(bench: &Bench, times: usize) {
    for _ in 0..times {
        refused(bench.send(&[100])).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_fail_take_a_version_out_and_bad_requests_do_not() {
    for (code, out) in [(ErrorCode::Internal, true), (ErrorCode::InvalidArgument, false)] {
        let bench = fragile(code);
        fail(&bench, 4).await;
        assert!(!bench.serving.breaker().is_out());
        fail(&bench, 1).await;
        assert_eq!(bench.serving.breaker().is_out(), out, "{code:?}");
        assert_eq!(answered(bench.send(&[1])).await, [1], "it can still be asked");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_run_again_counts_by_its_parts() {
    let bench = Bench::with(settings(8), |batch| match batch.rows {
        1 => echo(batch),
        _ => Err(Error::new(ErrorCode::OutOfMemory, "no memory")),
    });
    let first = bench.occupy();
    let mut waiting = Vec::new();
    for i in 0..8 {
        waiting.push(bench.send(&[i]));
        bench.queued(waiting.len()).await;
    }
    bench.gate.open();
    answered(first).await;
    for (i, request) in (0..8).zip(waiting) {
        assert_eq!(answered(request).await, [i]);
    }
    // Seven batches failed, in halves, and nine runs ended well.
    assert_eq!(bench.batches().len(), 16);
    assert!(!bench.serving.breaker().is_out());
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_that_cannot_be_cut_are_failures() {
    let bench = Bench::with(settings(8), |batch| {
        let outputs = echo(batch)?;
        let tensors = outputs.tensors.iter().map(|tensor| tensor.rows(0, 1)).collect::<Result<_>>()?;
        Ok(BatchOutputs { tensors, ..outputs })
    });
    bench.gate.open();
    for _ in 0..5 {
        refused(bench.send(&[1, 2])).await;
    }
    let why = bench.serving.breaker().trip().unwrap().to_string();
    assert!(why.contains("5 of its last 5 runs failed") && why.contains("does not keep the batch"), "{why}");
}
