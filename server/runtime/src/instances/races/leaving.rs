//! Callers that go, and requests whose time is up, while an instance takes them: the others are answered.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use girandole_core::{ErrorCode, InferRequest};
use shuttle::future::block_on;

use super::{
    bench::{Bench, Plan, infer},
    exhaust, explore, explore_in_time,
};
use crate::sync::{now, thread};

/// A caller that sends its request and goes.
fn send_and_go(bench: &Bench, values: &'static [u8]) -> thread::JoinHandle<()> {
    let serving = bench.serving();
    thread::spawn(move || {
        block_on(async {
            let mut request = pin!(infer(&serving, values, |_| {}));
            poll_fn(|context| {
                let _ = request.as_mut().poll(context);
                Poll::Ready(())
            })
            .await;
        });
    })
}

fn the_others_are_answered(instances: usize, leave: usize) {
    let mut bench = Bench::start(Plan { instances, ..Plan::default() });
    let leaving: Vec<_> = (0..leave).map(|_| send_and_go(&bench, &[9])).collect();
    let staying = bench.send(&[1]);
    drop(bench.serving.take());
    assert_eq!(staying.join().unwrap().unwrap(), [1]);
    leaving.into_iter().for_each(|caller| caller.join().unwrap());
    bench.end();
}

#[test]
fn callers_that_go() {
    for instances in [1, 2] {
        explore(move || the_others_are_answered(instances, 2));
    }
}

#[test]
fn one_goes_and_one_stays_depth_first() {
    exhaust(10_000, || the_others_are_answered(1, 1));
}

/// A caller whose request waits no longer than the change says; whether it was answered.
fn impatient(
    bench: &Bench,
    values: &'static [u8],
    change: fn(&mut InferRequest),
) -> thread::JoinHandle<bool> {
    let serving = bench.serving();
    thread::spawn(move || match block_on(infer(&serving, values, change)) {
        Ok(answer) => {
            assert_eq!(answer, values);
            true
        }
        Err(error) => {
            assert_eq!(error.code(), ErrorCode::DeadlineExceeded, "{error}");
            false
        }
    })
}

#[test]
fn requests_that_expire() {
    for (instances, change) in [
        (1, (|request| request.deadline = Some(now() + Duration::from_secs(1))) as fn(&mut InferRequest)),
        (2, |request| request.queue_timeout = Some(Duration::from_secs(1))),
    ] {
        explore_in_time(4, move || {
            let bench = Bench::start(Plan { instances, ..Plan::default() });
            let hurried = [&[1], &[2]].map(|values| impatient(&bench, values, change));
            let patient = bench.send(&[3]);
            for caller in hurried {
                caller.join().unwrap();
            }
            assert_eq!(patient.join().unwrap().unwrap(), [3]);
            bench.end();
        });
    }
}
