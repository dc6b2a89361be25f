use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use super::*;

fn counts(tasks: usize) -> Vec<AtomicUsize> {
    (0..tasks).map(|_| AtomicUsize::new(0)).collect()
}

fn add(count: &AtomicUsize, number: usize) {
    count.fetch_add(number, Ordering::SeqCst);
}

fn meet(barrier: &std::sync::Barrier) {
    barrier.wait();
}

fn all_once(counts: &[AtomicUsize]) -> bool {
    counts.iter().all(|count| count.load(Ordering::SeqCst) == 1)
}

#[test]
fn every_task_runs_once() {
    for threads in 1..=4 {
        let pool = Pool::new(threads).unwrap();
        for tasks in [0, 1, 2, 3, 64, if cfg!(miri) { 65 } else { 1000 }] {
            let counts = counts(tasks);
            pool.enter(|| run(tasks, &|i| add(&counts[i], 1)));
            assert!(all_once(&counts), "{tasks} tasks on {threads} threads");
        }
    }
}

#[test]
fn job_after_job_sees_its_own_closure() {
    let pool = Pool::new(3).unwrap();
    pool.enter(|| {
        for job in 0..if cfg!(miri) { 20 } else { 20_000 } {
            let counts = counts(1 + job % 5);
            run(counts.len(), &|i| add(&counts[i], 1));
            assert!(all_once(&counts), "job {job}");
        }
    });
}

#[test]
fn helpers_take_part() {
    let pool = Pool::new(2).unwrap();
    let meeting = std::sync::Barrier::new(2);
    // Both tasks must be under way at once for either to end.
    pool.enter(|| run(2, &|_| meet(&meeting)));
}

#[test]
fn helpers_that_sleep_are_woken() {
    let pool = Pool::new(2).unwrap();
    while pool.board.sleeping() == 0 {
        thread::yield_now();
    }
    let meeting = std::sync::Barrier::new(2);
    pool.enter(|| run(2, &|_| meet(&meeting)));
}

#[test]
fn inside_a_task_everything_is_serial() {
    let pool = Pool::new(2).unwrap();
    assert_eq!(threads(), 1);
    pool.enter(|| {
        assert_eq!(threads(), 2);
        run(4, &|_| {
            assert_eq!(threads(), 1);
            let own = thread::current().id();
            run(3, &|_| assert_eq!(thread::current().id(), own));
        });
        assert_eq!(threads(), 2);
    });
    assert_eq!(threads(), 1);
}

#[test]
fn a_second_caller_keeps_to_its_own_thread() {
    let pool = Pool::new(2).unwrap();
    pool.enter(|| {
        thread::scope(|scope| {
            scope.spawn(|| pool.enter(|| assert_eq!(threads(), 1)));
        });
        pool.enter(|| assert_eq!(threads(), 2, "the first caller is inside already"));
    });
}

#[test]
fn a_panic_reaches_the_caller_and_costs_nothing_else() {
    let pool = Pool::new(3).unwrap();
    let counts = counts(50);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        pool.enter(|| {
            run(50, &|i| {
                add(&counts[i], 1);
                assert!(i != 7, "seven");
            });
        });
    }));
    assert!(outcome.is_err());
    assert!(all_once(&counts), "the other tasks ran");
    assert_eq!(threads(), 1);
    let sum = AtomicUsize::new(0);
    pool.enter(|| run(10, &|i| add(&sum, i)));
    assert_eq!(sum.into_inner(), 45);
}

#[test]
fn pieces_cover_a_slice() {
    let pool = Pool::new(2).unwrap();
    for (len, chunk) in [(0, 3), (1, 3), (9, 3), (10, 3), (5, 0), (5, usize::MAX)] {
        let (mut left, mut right) = (vec![0usize; len], vec![0usize; len]);
        pool.enter(|| chunks(&mut left, chunk, |i, piece| piece.fill(i + 1)));
        let expected: Vec<_> = (0..len).map(|at| at / chunk.max(1) + 1).collect();
        assert_eq!(left, expected);
        pool.enter(|| {
            chunks2((&mut left, chunk), (&mut right, chunk), |i, left, right| {
                right.copy_from_slice(left);
                left.fill(i);
            });
        });
        assert_eq!(right, expected);
    }
}
