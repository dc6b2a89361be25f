//! Callers come while the version is closed: what came in is answered, what did not is refused.

use girandole_core::ErrorCode;
use shuttle::future::block_on;

use super::{
    bench::{Bench, Plan, Probe, answered_or_unavailable, first_output, row},
    explore,
};
use crate::{batcher::testing::message, sync::thread};

/// Sends rows from a thread of its own, lets the version go, and holds it to what it said: accepted is answered.
fn accepted_is_answered(bench: &Bench, values: &'static [u8]) -> thread::JoinHandle<bool> {
    let serving = bench.serving();
    thread::spawn(move || {
        let (message, answer) = message(&serving.batcher.spec, values);
        let accepted = serving.batcher.submit(message).is_some();
        drop(serving);
        let answer = block_on(answer).unwrap();
        match accepted {
            true => assert_eq!(first_output(&answer.unwrap()), values),
            false => assert_eq!(answer.unwrap_err().code(), ErrorCode::Unavailable),
        }
        accepted
    })
}

#[test]
fn closing_loses_nothing_that_was_accepted() {
    for (instances, depth) in [(1, 1), (2, 1), (1, 2)] {
        explore(move || {
            let bench = Bench::start(Plan { instances, depth, ..Plan::default() });
            let callers = [&[1], &[Probe::LATER], &[3]].map(|values| accepted_is_answered(&bench, values));
            let serving = bench.serving();
            let closing = thread::spawn(move || serving.batcher.close());
            for caller in callers {
                caller.join().unwrap();
            }
            closing.join().unwrap();
            assert!(!accepted_is_answered(&bench, &[4]).join().unwrap(), "it is closed");
            bench.closed();
        });
    }
}

#[test]
fn aborting_answers_everybody_too() {
    for instances in [1, 2] {
        explore(move || {
            let bench = Bench::start(Plan { instances, ..Plan::default() });
            let callers = [&[1], &[2], &[3]].map(|values| (values, bench.send(values)));
            let serving = bench.serving();
            let aborting = thread::spawn(move || serving.abort());
            answered_or_unavailable(callers);
            aborting.join().unwrap();
            bench.end();
        });
    }
}

#[test]
fn whoever_drops_it_last_closes_it_and_loses_nothing() {
    explore(|| {
        let mut bench = Bench::start(Plan { instances: 2, ..Plan::default() });
        let callers = [&[1], &[2], &[3]].map(|values| accepted_is_answered(&bench, values));
        drop(bench.serving.take());
        for caller in callers {
            assert!(caller.join().unwrap(), "nobody closed it before");
        }
        bench.end();
    });
}

#[test]
fn a_warm_up_ends_whether_or_not_the_version_is_closed() {
    explore(|| {
        let bench = Bench::start(Plan { instances: 2, ..Plan::default() });
        let serving = bench.serving();
        let warming = thread::spawn(move || serving.warm_up(&row()));
        let caller = bench.send(&[1]);
        let serving = bench.serving();
        let closing = thread::spawn(move || serving.batcher.close());
        if let Err(error) = warming.join().unwrap() {
            assert_eq!(error.code(), ErrorCode::Unavailable, "{error}");
        }
        let _ = caller.join().unwrap().map_err(|error| assert_eq!(error.code(), ErrorCode::Unavailable));
        closing.join().unwrap();
        bench.end();
    });
}
