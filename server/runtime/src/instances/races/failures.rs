//! A batch fails and comes back in parts while the queue is closed: nobody pays for another's mistake.

use girandole_core::ErrorCode;

use super::{
    bench::{Bench, Plan, Probe, answered_or_unavailable},
    explore,
};
use crate::sync::thread;

/// Callers beside one whose row fails its batch with `code`; the version is let go while they wait.
fn the_others_are_answered(instances: usize, bad: &'static [u8], code: Option<ErrorCode>) {
    let mut bench = Bench::start(Plan { instances, max_rows: 4, ..Plan::default() });
    let failing = bench.send(bad);
    let callers = [&[1], &[2]].map(|values| (values, bench.send(values)));
    drop(bench.serving.take());
    assert_eq!(failing.join().unwrap().err().map(|error| error.code()), code);
    for (values, caller) in callers {
        assert_eq!(caller.join().unwrap().unwrap(), values);
    }
    bench.end();
}

#[test]
fn a_batch_that_comes_back_in_parts_while_the_version_goes() {
    for instances in [1, 2] {
        explore(move || the_others_are_answered(instances, &[Probe::BAD], Some(ErrorCode::InvalidArgument)));
        explore(move || the_others_are_answered(instances, &[Probe::LARGE], None));
    }
}

#[test]
fn parts_that_are_to_run_when_everything_is_refused() {
    for (instances, preserve_ordering) in [(1, false), (2, false), (2, true)] {
        explore(move || {
            let plan = Plan { instances, max_rows: 4, preserve_ordering, ..Plan::default() };
            let bench = Bench::start(plan);
            let failing = bench.send(&[Probe::BAD]);
            let callers = [&[1], &[2]].map(|values| (values, bench.send(values)));
            let serving = bench.serving();
            let aborting = thread::spawn(move || serving.abort());
            let code = failing.join().unwrap().unwrap_err().code();
            assert!(matches!(code, ErrorCode::InvalidArgument | ErrorCode::Unavailable), "{code:?}");
            answered_or_unavailable(callers);
            aborting.join().unwrap();
            bench.end();
        });
    }
}
