//! Races of a version's queue and sessions, explored by a model checker (shuttle): each scenario is run again and
//! again, and at every lock, signal and message the checker chooses who goes on. What is explored is the code that
//! serves, over the locks of [`crate::sync`].
//!
//! In every execution of every scenario each request is answered once, or refused where the scenario allows it; a
//! batch gets nobody else's rows; no session runs anything, and none is closed while it does, that it should not; and
//! once the version is dropped all threads end (a thread that waits for ever is found as a deadlock). Time stands
//! still unless a scenario lets it pass, so no timer makes up for a signal that was lost.
//!
//! Not steps of their own: the channel of an answer (one send, which either comes before the caller looks or wakes
//! it), reference counts (whoever is last drops, between two steps), counters for metrics. Orders weaker than
//! sequential consistency are not explored; here, only counters have them.

mod bench;
mod close;
mod failures;
mod leaving;
mod lost;
mod ordering;
mod serving;

use shuttle::{
    Config, Runner,
    scheduler::{DfsScheduler, PctScheduler, RandomScheduler, Scheduler},
};

pub(crate) use self::bench::{Bench, Plan};
use crate::sync::let_time_pass;

/// Executions of each scenario by each scheduler, where the environment does not ask for others.
const EXECUTIONS: usize = 500;

/// Asks for so many executions, each time from another seed.
const VARIABLE: &str = "GIRANDOLE_RACES";

/// Sudden changes of mind in one execution (the depth of bugs that are found with a known probability: Burckhardt,
/// Kothari, Musuvathi and Nagarakatte, ASPLOS 2010).
const CHANGES: usize = 3;

/// Runs a scenario with threads chosen at random, and by priorities that change now and then.
pub(crate) fn explore(scenario: impl Fn() + Clone + Send + Sync + 'static) {
    explore_in_time(0, scenario);
}

/// The same, with so many timers that may end in each execution.
pub(crate) fn explore_in_time(timers: usize, scenario: impl Fn() + Clone + Send + Sync + 'static) {
    let asked = std::env::var(VARIABLE).ok().and_then(|executions| executions.parse().ok());
    let executions = asked.unwrap_or(EXECUTIONS);
    let seed = asked.map_or(1, |_| shuttle_seed());
    run(RandomScheduler::new_from_seed(seed, executions), timers, scenario.clone());
    run(PctScheduler::new_from_seed(seed, CHANGES, executions), timers, scenario);
}

/// Runs a small scenario with every order of its threads, or the first so many.
pub(crate) fn exhaust(most: usize, scenario: impl Fn() + Send + Sync + 'static) {
    run(DfsScheduler::new(Some(most), true), 0, scenario);
}

fn run(
    scheduler: impl Scheduler + Send + 'static,
    timers: usize,
    scenario: impl Fn() + Send + Sync + 'static,
) {
    let mut config = Config::new();
    config.stack_size = 1 << 18;
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(move || {
        let_time_pass(timers);
        scenario();
    });
}

fn shuttle_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(VARIABLE)
}
