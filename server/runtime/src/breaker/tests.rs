//! What counts, who tries, and who is told, at times that the tests choose.

use std::{
    io,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use metrics_exporter_prometheus::PrometheusBuilder;

use super::*;
use crate::{rollout::Clock, sync::now};

const PAUSE: Duration = Duration::from_secs(10);

/// A breaker, and how often it told of itself.
fn breaker(setting: CircuitBreaker) -> (Arc<Breaker>, Arc<AtomicUsize>) {
    let turns = Arc::new(AtomicUsize::new(0));
    let counted = turns.clone();
    let on_turned = Box::new(move || {
        counted.fetch_add(1, SeqCst);
    });
    (Arc::new(Breaker::new(("m", 2), setting, Some(on_turned))), turns)
}

fn fail(breaker: &Breaker, code: ErrorCode, now: Instant) {
    (0..5).for_each(|run| breaker.ran(Err(&Error::new(code, format!("run {run}"))), now));
}

#[test]
fn only_the_versions_own_failures_count() {
    use ErrorCode::{
        Cancelled, DeadlineExceeded, Internal, InvalidArgument, OutOfMemory, TooLarge, Unavailable,
    };
    for (code, out) in [
        (Internal, true),
        (OutOfMemory, true),
        (Unavailable, true),
        (DeadlineExceeded, true),
        (InvalidArgument, false),
        (TooLarge, false),
        (Cancelled, false),
    ] {
        let (breaker, turns) = breaker(CircuitBreaker::On);
        fail(&breaker, code, now());
        assert_eq!((breaker.is_out(), turns.load(SeqCst)), (out, usize::from(out)), "{code:?}");
    }
}

#[test]
fn it_says_why_until_it_closes() {
    let (breaker, turns) = breaker(CircuitBreaker::On);
    let opened = now();
    fail(&breaker, ErrorCode::Internal, opened);
    let why = |breaker: &Breaker| breaker.trip().map(|trip| trip.to_string());
    let told = "taken out of the traffic: 5 of its last 5 runs failed, the last with: ";
    assert_eq!(why(&breaker), Some(format!("{told}run 4")));
    breaker.ran(Err(&Error::internal("still bad")), opened + PAUSE);
    assert_eq!((why(&breaker), turns.load(SeqCst)), (Some(format!("{told}still bad")), 1));
    (0..3).for_each(|_| breaker.ran(Ok(()), opened + 3 * PAUSE));
    assert_eq!((why(&breaker), breaker.is_out(), turns.load(SeqCst)), (None, false, 2));
}

#[test]
fn one_trial_at_a_time_and_the_next_when_it_is_over() {
    let (breaker, _) = breaker(CircuitBreaker::On);
    let opened = now();
    assert!(breaker.begin_trial(opened).is_none(), "nothing is to be tried");
    fail(&breaker, ErrorCode::Internal, opened);
    assert!(breaker.begin_trial(opened).is_none());
    let trial = breaker.begin_trial(opened + PAUSE);
    assert!(trial.is_some() && breaker.begin_trial(opened + PAUSE).is_none());
    drop(trial);
    assert!(breaker.begin_trial(opened + PAUSE).is_some());
}

#[test]
fn without_a_session_it_is_out_and_nobody_tries() {
    let (breaker, turns) = breaker(CircuitBreaker::On);
    breaker.without_session(true, now());
    assert!(breaker.is_out() && breaker.trip().is_none());
    fail(&breaker, ErrorCode::Unavailable, now());
    assert!(breaker.begin_trial(now() + PAUSE).is_none());
    breaker.without_session(false, now());
    assert!(breaker.is_out() && breaker.begin_trial(now() + PAUSE).is_some());
    assert_eq!(turns.load(SeqCst), 1);
}

#[test]
fn one_that_is_off_never_opens() {
    let (breaker, turns) = breaker(CircuitBreaker::Off);
    fail(&breaker, ErrorCode::Internal, now());
    breaker.without_session(true, now());
    assert_eq!((breaker.is_out(), breaker.trip(), turns.load(SeqCst)), (false, None, 0));
    assert_eq!(breaker.status(now(), Clock::default()).state, BreakerState::Off);
}

#[test]
fn operators_see_how_it_stands_since_when_and_when_it_is_tried() {
    let ((breaker, _), clock) = (breaker(CircuitBreaker::On), Clock::default());
    let opened = now();
    let seen = |breaker: &Breaker, now| {
        let BreakerStatus { state, since, reason, next_trial, .. } = breaker.status(now, clock);
        (state, since, reason.is_some(), next_trial)
    };
    assert_eq!(seen(&breaker, opened), (BreakerState::Closed, None, false, None));
    fail(&breaker, ErrorCode::Internal, opened);
    let (since, first) = (Some(clock.at(opened)), opened + PAUSE);
    assert_eq!(seen(&breaker, opened), (BreakerState::Open, since, true, Some(clock.at(first))));
    assert_eq!(seen(&breaker, first), (BreakerState::HalfOpen, since, true, None));
    breaker.ran(Err(&Error::internal("still bad")), first);
    let second = first + 2 * PAUSE;
    assert_eq!(seen(&breaker, first), (BreakerState::Open, since, true, Some(clock.at(second))));
    breaker.without_session(true, first);
    breaker.without_session(true, second);
    let lost = (BreakerState::WithoutSession, Some(clock.at(first)), false, None);
    assert_eq!(seen(&breaker, second), lost, "why is the sessions' to say");
    breaker.without_session(false, second);
    (0..3).for_each(|_| breaker.ran(Ok(()), second));
    assert_eq!(seen(&breaker, second), (BreakerState::Closed, None, false, None));
}

#[test]
fn a_trial_that_fails_is_in_the_log_with_how_long_the_version_stays_out() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone()).finish();
    tracing::subscriber::with_default(subscriber, || {
        let (breaker, _) = breaker(CircuitBreaker::On);
        let opened = now();
        fail(&breaker, ErrorCode::Internal, opened);
        breaker.ran(Err(&Error::internal("still bad")), opened + PAUSE);
    });
    let text = String::from_utf8(lock(&log.0).clone()).unwrap();
    let lines: Vec<_> = text.lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!(lines.len(), 1, "{text}");
    for said in ["a trial failed", "model=m version=2 error=\"still bad\" stays_out_secs=20"] {
        assert!(lines[0].contains(said), "{text}");
    }
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl tracing_subscriber::fmt::MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_gauge_is_there_and_goes_back_to_nothing() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let shown = |value| {
        handle.render().contains(&format!("girandole_version_tripped{{model=\"m\",version=\"2\"}} {value}"))
    };
    ::metrics::with_local_recorder(&recorder, || {
        let (breaker, _) = breaker(CircuitBreaker::On);
        assert!(shown(0));
        fail(&breaker, ErrorCode::Internal, now());
        assert!(shown(1));
        drop(breaker);
        assert!(shown(0));
    });
}
