//! `preserve_ordering`: whoever came first is answered first, whichever instance is faster.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use shuttle::future::block_on;

use super::{
    bench::{Bench, Plan, Probe, infer},
    explore,
};

/// Two requests, one after the other: when the second is answered, the first is.
fn in_order(instances: usize, first: &'static [u8], second: &'static [u8]) {
    let plan = Plan { instances, max_rows: 1, preserve_ordering: true, ..Plan::default() };
    let bench = Bench::start(plan);
    let serving = bench.serving();
    block_on(async {
        let mut earlier = pin!(infer(&serving, first, |_| {}));
        let mut later = pin!(infer(&serving, second, |_| {}));
        let mut answered = None;
        poll_fn(|context| {
            if answered.is_none()
                && let Poll::Ready(answer) = earlier.as_mut().poll(context)
            {
                answered = Some(answer);
            }
            later.as_mut().poll(context).map(|answer| {
                if answered.is_none() {
                    assert!(earlier.as_mut().poll(context).is_ready(), "the second came first");
                }
                assert_eq!(answer.unwrap(), second);
            })
        })
        .await;
    });
    drop(serving);
    bench.end();
}

#[test]
fn the_first_is_answered_first() {
    for first in [&[1], &[Probe::LATER], &[Probe::PANIC]] {
        explore(move || in_order(2, first, &[2]));
    }
}

/// Batches of several requests, of which one fails and comes back in parts.
#[test]
fn nobody_is_held_back_for_ever() {
    explore(|| {
        let plan = Plan { instances: 2, preserve_ordering: true, ..Plan::default() };
        let bench = Bench::start(plan);
        let bad = bench.send(&[Probe::BAD]);
        let callers = [&[1], &[2], &[3]].map(|values| (values, bench.send(values)));
        assert!(bad.join().unwrap().is_err());
        for (values, caller) in callers {
            assert_eq!(caller.join().unwrap().unwrap(), values);
        }
        bench.end();
    });
}
