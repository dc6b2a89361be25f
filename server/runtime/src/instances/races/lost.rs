//! Sessions that panic or are lost while requests come: everybody hears something, and whoever has a session left
//! serves.

use girandole_core::{DeviceKind, ErrorCode, Result};
use shuttle::future::block_on;

use super::{
    bench::{Bench, Plan, Probe, ask, first_output, row},
    explore, explore_in_time,
};
use crate::{batcher::testing::message, sync::thread};

/// A caller's answer is its own, or a refusal with one of these codes.
fn is_fair(values: &[u8], answer: &Result<Vec<u8>>, codes: &[ErrorCode]) {
    match answer {
        Ok(answer) => assert_eq!(answer, values),
        Err(error) => assert!(codes.contains(&error.code()), "{error}"),
    }
}

/// Callers beside one whose request does that to its session.
fn break_one(plan: Plan, breaks: &'static [u8], codes: &'static [ErrorCode]) {
    let bench = Bench::start(plan);
    let breaking = bench.send(breaks);
    let callers = [&[1], &[2]].map(|values| (values, bench.send(values)));
    assert!(codes.contains(&breaking.join().unwrap().unwrap_err().code()));
    for (values, caller) in callers {
        is_fair(values, &caller.join().unwrap(), codes);
    }
    bench.end();
}

const LOST: &[ErrorCode] = &[ErrorCode::Unavailable];

#[test]
fn a_session_that_panics_is_opened_anew() {
    for instances in [1, 2] {
        // Whoever shared the batch is tried again once, and may share it again.
        let codes = &[ErrorCode::Internal];
        explore(move || break_one(Plan { instances, ..Plan::default() }, &[Probe::PANIC], codes));
    }
}

#[test]
fn a_session_that_is_lost_is_opened_anew() {
    for instances in [1, 2] {
        explore(move || break_one(Plan { instances, ..Plan::default() }, &[Probe::LOSE], LOST));
    }
}

#[test]
fn without_any_session_everybody_is_refused() {
    for (instances, breaks) in [(1, &[Probe::LOSE]), (1, &[Probe::PANIC]), (2, &[Probe::LOSE])] {
        explore(move || {
            let codes = &[ErrorCode::Unavailable, ErrorCode::Internal];
            let plan = Plan { instances, opens: instances, device: DeviceKind::Gpu, ..Plan::default() };
            break_one(plan, breaks, codes);
        });
    }
}

/// A session is lost while its instance has nothing to do, or was just woken for something.
#[test]
fn what_a_lost_instance_was_woken_for_another_does() {
    explore_in_time(2, || {
        let plan = Plan { instances: 2, opens: 2, device: DeviceKind::Gpu, ..Plan::default() };
        let bench = Bench::start(plan);
        bench.break_first();
        is_fair(&[1], &bench.send(&[1]).join().unwrap(), LOST);
        bench.end();
    });
}

/// A batch is to come back in parts, and the only session is lost meanwhile.
#[test]
fn nothing_comes_back_to_nobody() {
    explore(|| {
        let bench = Bench::start(Plan { depth: 2, opens: 1, ..Plan::default() });
        let serving = bench.serving();
        let codes = &[ErrorCode::Unavailable, ErrorCode::InvalidArgument];
        // One after the other from here, so that they often share a batch.
        let together = [&[Probe::LATER], &[Probe::BAD]].map(|values| {
            let (message, answer) = message(&serving.batcher.spec, values);
            serving.batcher.submit(message);
            (values, answer)
        });
        drop(serving);
        let losing = bench.send(&[Probe::LOSE]);
        for (values, answer) in together {
            is_fair(values, &block_on(answer).unwrap().map(|answer| first_output(&answer)), codes);
        }
        is_fair(&[Probe::LOSE], &losing.join().unwrap(), codes);
        bench.end();
    });
}

/// A warm-up ends, whatever becomes of the sessions.
#[test]
fn a_warm_up_hears_of_a_session_that_is_lost() {
    for (instances, opens) in [(1, 1), (2, 2), (2, 3)] {
        explore(move || {
            let bench = Bench::start(Plan { instances, opens, ..Plan::default() });
            let losing = bench.send(&[Probe::LOSE]);
            let serving = bench.serving();
            let warming = thread::spawn(move || serving.warm_up(&row()));
            if let Err(error) = warming.join().unwrap() {
                assert_eq!(error.code(), ErrorCode::Unavailable, "{error}");
            }
            assert!(losing.join().unwrap().is_err());
            bench.end();
        });
    }
}

/// One of two instances is lost for ever, the other is there.
#[test]
fn the_other_instance_serves_on() {
    explore(|| {
        let plan = Plan { instances: 2, opens: 2, max_rows: 1, ..Plan::default() };
        let bench = Bench::start(plan);
        let breaking = bench.send(&[Probe::LOSE]);
        let callers = [&[1], &[2], &[3]].map(|values| (values, bench.send(values)));
        assert!(breaking.join().unwrap().is_err());
        for (values, caller) in callers {
            assert_eq!(caller.join().unwrap().unwrap(), values, "it shared no batch");
        }
        bench.end();
    });
}

/// Instances look after their sessions now and then; a request that comes meanwhile is not forgotten.
#[test]
fn looking_after_a_session_costs_no_request() {
    for instances in [1, 2] {
        explore_in_time(4, move || {
            let plan = Plan { instances, device: DeviceKind::Gpu, max_rows: 1, ..Plan::default() };
            break_one(plan, &[Probe::LOSE], LOST);
        });
    }
}

/// A session that could not be opened is tried again when it is time, and serves again.
#[test]
fn a_session_comes_back() {
    explore_in_time(3, || {
        let plan = Plan { device: DeviceKind::Gpu, ..Plan::default() };
        let bench = Bench::start(plan);
        let serving = bench.serving();
        let caller = thread::spawn(move || {
            let lost = ask(&serving, &[Probe::LOSE]);
            is_fair(&[Probe::LOSE], &lost, LOST);
            is_fair(&[1], &ask(&serving, &[1]), LOST);
        });
        let other = bench.send(&[2]);
        caller.join().unwrap();
        is_fair(&[2], &other.join().unwrap(), LOST);
        bench.end();
    });
}
