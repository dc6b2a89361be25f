//! When a version is taken out of the traffic, and when it comes back: a state machine without a clock.
//!
//! The states and the window of counted runs are those of a circuit breaker (Nygard, "Release It!"; resilience4j's
//! COUNT_BASED window), the time that grows with each opening in a row is that of Envoy's outlier detection.
//! Invariant: it opens at a failure and at nothing else, and closes by successes alone, never by time.

use std::time::{Duration, Instant};

/// Runs that are looked at.
const WINDOW: u32 = 20;
/// Fewer say nothing.
const LEAST_RUNS: u32 = 5;
/// How long it is open at first.
const PAUSE: Duration = Duration::from_secs(10);
/// How long it is open at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Successes in a row that close it.
const SUCCESSES: u32 = 3;

/// What came of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Success,
    Failure,
}

/// What an outcome changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Too many of the last runs failed.
    Opened(Failures),
    /// A trial failed; the next one is when this has passed.
    OpenedAgain(Duration),
    /// Enough trials went well.
    Closed,
}

/// How many of the last runs failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failures {
    pub(super) failed: u32,
    pub(super) runs: u32,
}

/// How a version has done lately, and what follows from it.
#[derive(Debug, Default)]
pub(super) struct Circuit {
    state: State,
    window: Window,
    /// Openings in a row: since it was last closed for a whole window of runs.
    openings: u32,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) enum State {
    /// Requests pass.
    #[default]
    Closed,
    /// They do not.
    Open { until: Instant },
    /// One at a time does, to see how it goes.
    HalfOpen { successes: u32, trial: bool },
}

/// The last outcomes, the newest in the lowest bit, failures set.
#[derive(Debug, Default)]
struct Window {
    failures: u32,
    runs: u32,
}

impl Circuit {
    /// Whether requests pass.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// How it stands: open no longer than until a trial may begin.
    pub(super) fn state(&self, now: Instant) -> State {
        self.state.after(now)
    }

    /// A run came to this. What it changed, where it changed anything.
    pub(super) fn observe(&mut self, outcome: Outcome, now: Instant) -> Option<Turn> {
        self.end_pause(now);
        match (&mut self.state, outcome) {
            (State::Closed, _) => self.count(outcome, now),
            // It began before the opening, or somebody asked for this version by name.
            (State::Open { .. }, _) => None,
            (State::HalfOpen { .. }, Outcome::Failure) => Some(Turn::OpenedAgain(self.open(now))),
            (State::HalfOpen { successes, .. }, Outcome::Success) => {
                *successes += 1;
                (*successes >= SUCCESSES).then(|| self.close())
            }
        }
    }

    /// Whether a request may try how it goes now; it [ends its trial](Self::end_trial) when it is over.
    pub(super) fn begin_trial(&mut self, now: Instant) -> bool {
        self.end_pause(now);
        match &mut self.state {
            State::HalfOpen { trial, .. } => !std::mem::replace(trial, true),
            State::Closed | State::Open { .. } => false,
        }
    }

    /// The next request may try.
    pub(super) fn end_trial(&mut self) {
        if let State::HalfOpen { trial, .. } = &mut self.state {
            *trial = false;
        }
    }

    fn count(&mut self, outcome: Outcome, now: Instant) -> Option<Turn> {
        let failures = self.window.push(outcome);
        if outcome == Outcome::Failure && failures.are_too_many() {
            self.open(now);
            return Some(Turn::Opened(failures));
        }
        if failures.runs == WINDOW {
            self.openings = 0;
        }
        None
    }

    fn open(&mut self, now: Instant) -> Duration {
        let pause = PAUSE.saturating_mul(2_u32.saturating_pow(self.openings)).min(LONGEST_PAUSE);
        self.openings = self.openings.saturating_add(1);
        self.state = State::Open { until: now + pause };
        pause
    }

    fn close(&mut self) -> Turn {
        (self.state, self.window) = (State::Closed, Window::default());
        Turn::Closed
    }

    fn end_pause(&mut self, now: Instant) {
        self.state = self.state.after(now);
    }
}

impl State {
    fn after(self, now: Instant) -> Self {
        match self {
            Self::Open { until } if until <= now => Self::HalfOpen { successes: 0, trial: false },
            _ => self,
        }
    }
}

impl Window {
    fn push(&mut self, outcome: Outcome) -> Failures {
        let newest = u32::from(outcome == Outcome::Failure);
        self.failures = (self.failures << 1 | newest) & ((1 << WINDOW) - 1);
        self.runs = (self.runs + 1).min(WINDOW);
        Failures { failed: self.failures.count_ones(), runs: self.runs }
    }
}

impl Failures {
    fn are_too_many(self) -> bool {
        self.runs >= LEAST_RUNS && self.failed * 2 >= self.runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A circuit and the time that it is told.
    struct Bench(Circuit, Instant);

    impl Bench {
        fn new() -> Self {
            Self(Circuit::default(), Instant::now())
        }

        /// So many runs: `.` went well, `x` failed. What the last of them changed.
        fn run(&mut self, outcomes: &str) -> Option<Turn> {
            let outcomes =
                outcomes.chars().map(|c| if c == 'x' { Outcome::Failure } else { Outcome::Success });
            let (circuit, now) = (&mut self.0, self.1);
            outcomes.fold(None, |_, outcome| circuit.observe(outcome, now))
        }

        fn pass(&mut self, time: Duration) -> &mut Self {
            self.1 += time;
            self
        }

        fn opened() -> Self {
            let mut bench = Self::new();
            assert!(bench.run("xxxxx").is_some());
            bench
        }

        /// Whether a trial may begin now and none could a moment before.
        fn opens_its_door_after(&mut self, pause: Duration) -> bool {
            let before = self.pass(pause - Duration::from_millis(1)).try_once();
            let after = self.pass(Duration::from_millis(1)).try_once();
            !before && after
        }

        fn try_once(&mut self) -> bool {
            let begun = self.0.begin_trial(self.1);
            self.0.end_trial();
            begun
        }
    }

    #[test]
    fn it_opens_when_half_of_five_runs_or_more_failed() {
        for (runs, opened) in [
            ("xxxx", None),
            ("xxxxx", Some((5, 5))),
            (".x.xx", Some((3, 5))),
            ("xxx..", None),
            ("..x..xx", None),
            ("..........xxxxxxxxx", None),
            ("..........xxxxxxxxxx", Some((10, 20))),
            ("....................xxxxxxxxx", None),
            ("....................xxxxxxxxxx", Some((10, 20))),
            ("xxx.....................xxxxxxx", None),
        ] {
            let expected = opened.map(|(failed, runs)| Turn::Opened(Failures { failed, runs }));
            assert_eq!(Bench::new().run(runs), expected, "{runs}");
        }
    }

    #[test]
    fn one_request_at_a_time_tries_when_the_pause_is_over() {
        let mut bench = Bench::opened();
        assert_eq!(bench.run("....."), None, "what began before says nothing");
        assert!(!bench.0.begin_trial(bench.1));
        bench.pass(PAUSE);
        let now = bench.1;
        assert!(bench.0.begin_trial(now) && !bench.0.begin_trial(now));
        bench.0.end_trial();
        assert!(bench.0.begin_trial(now) && !bench.0.is_closed());
    }

    #[test]
    fn three_successes_in_a_row_close_it_and_a_failure_opens_it_again() {
        let mut bench = Bench::opened();
        assert_eq!(bench.pass(PAUSE).run(".."), None);
        assert_eq!(bench.run("x"), Some(Turn::OpenedAgain(2 * PAUSE)));
        assert_eq!(bench.pass(2 * PAUSE).run(".."), None);
        assert_eq!((bench.run("."), bench.0.is_closed()), (Some(Turn::Closed), true));
        assert_eq!(bench.run("xxxx"), None, "what was before is forgotten");
    }

    #[test]
    fn each_opening_in_a_row_is_twice_as_long() {
        let mut bench = Bench::opened();
        for seconds in [10, 20, 40, 80, 160, 300, 300] {
            assert!(bench.opens_its_door_after(seconds * SECOND), "{seconds} s");
            bench.run("x");
        }
        // Closed and opened soon after is in a row too.
        bench.pass(LONGEST_PAUSE).run("...xxxxx");
        assert!(bench.opens_its_door_after(LONGEST_PAUSE));
        // A whole window of runs begins anew.
        bench.run("...");
        bench.run(&".".repeat(20));
        assert!(bench.run("xxxxxxxxxx").is_some());
        assert!(bench.opens_its_door_after(PAUSE));
    }

    #[test]
    fn time_alone_does_not_close_it() {
        let mut bench = Bench::opened();
        bench.pass(1_000_000 * SECOND);
        assert!(bench.try_once() && bench.try_once() && !bench.0.is_closed());
    }
}
