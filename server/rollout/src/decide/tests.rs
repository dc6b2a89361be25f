//! The way through a plan, and off it.

use super::*;
use crate::{Arm, Command, Histogram, Metric, command};

const SECOND: Duration = Duration::from_secs(1);

fn step(set_weight: f64, pause: Pause) -> Step {
    Step { set_weight, pause }
}

fn plan() -> Plan {
    let until = Pause::Until { duration: Some(60 * SECOND), requests: Some(200) };
    Plan {
        steps: vec![step(5.0, until), step(25.0, Pause::Promoted), step(50.0, Pause::None)],
        guards: [(Metric::ErrorRate, 0.01)].into(),
        min_samples: 100,
        interval: SECOND,
        alpha: 0.05,
    }
}

fn seen(requests: u64, errors: u64, now: u32) -> Seen {
    let arm = |errors| Arm { errors, latency: Histogram::new(vec![requests - errors]), ..Arm::default() };
    let observed = Observed { stable: arm(0), canary: arm(errors), looks: 1 };
    Seen { ready: true, observed, now: SECOND * now }
}

fn at(phase: Phase, step: usize) -> State {
    State { phase, step, ..State::default() }
}

#[test]
fn it_waits_for_its_versions_first() {
    let unready = Seen { ready: false, ..seen(0, 0, 0) };
    assert_eq!(decide(&plan(), &State::default(), &unready), Decision::Hold(Hold::Versions));
    assert_eq!(decide(&plan(), &State::default(), &seen(0, 0, 0)), Decision::Advance(0));
    assert_eq!(State::default().weight(&plan()), 0.0);
}

#[test]
fn a_step_is_over_with_its_time_its_requests_and_the_guards_samples() {
    let first = at(Phase::Progressing, 0);
    for (requests, now, expected) in [
        (1_000, 59, Decision::Hold(Hold::Time)),
        (199, 60, Decision::Hold(Hold::Requests)),
        (200, 60, Decision::Advance(1)),
    ] {
        assert_eq!(decide(&plan(), &first, &seen(requests, 0, now)), expected, "{requests} {now}");
    }
    let last = at(Phase::Progressing, 2);
    assert_eq!(decide(&plan(), &last, &seen(99, 0, 0)), Decision::Hold(Hold::Samples));
    assert_eq!(decide(&plan(), &last, &seen(100, 0, 0)), Decision::Complete);
    let unready = Seen { ready: false, ..seen(100, 0, 0) };
    assert_eq!(decide(&plan(), &last, &unready), Decision::Hold(Hold::Versions));
}

#[test]
fn a_pause_without_end_waits_for_a_person_and_is_guarded_meanwhile() {
    let paused = at(Phase::Progressing, 0).after(&plan(), Decision::Advance(1), SECOND);
    assert_eq!((paused.phase, paused.since, paused.weight(&plan())), (Phase::Paused, SECOND, 25.0));
    assert_eq!(decide(&plan(), &paused, &seen(1_000_000, 0, 9_999)), Decision::Hold(Hold::Person));
    assert!(matches!(decide(&plan(), &paused, &seen(1_000, 500, 9)), Decision::RollBack(_)));
}

#[test]
fn a_broken_guard_takes_it_back_at_once_and_it_stays_back() {
    let running = at(Phase::Progressing, 0);
    let decision = decide(&plan(), &running, &seen(50, 50, 1));
    let Decision::RollBack(Reason::Guard(verdict)) = decision else { panic!("{decision:?}") };
    assert_eq!(verdict.metric, Metric::ErrorRate);
    let back = running.after(&plan(), decision, SECOND);
    assert_eq!((back.phase, back.weight(&plan())), (Phase::Degraded, 0.0));
    assert!(back.reason.unwrap().to_string().starts_with("error_rate: at least 0."), "{back:?}");
    assert_eq!(decide(&plan(), &back, &seen(10_000, 0, 9_999)), Decision::Hold(Hold::Ended));
}

#[test]
fn all_requests_at_the_canary_need_no_stable_arm() {
    let plan = Plan { steps: vec![step(100.0, Pause::None)], ..plan() };
    let alone = |requests| {
        let seen = seen(requests, 0, 0);
        Seen { observed: Observed { stable: Arm::default(), ..seen.observed }, ..seen }
    };
    let state = at(Phase::Progressing, 0);
    assert_eq!(decide(&plan, &state, &alone(99)), Decision::Hold(Hold::Samples));
    assert_eq!(decide(&plan, &state, &alone(100)), Decision::Complete);
}

#[test]
fn a_person_may_do_this_where_it_stands() {
    use Command::{Abort, Pause, Promote, PromoteFull, Resume, Start};
    let plan = plan();
    let of = |phase, step, asked| command(&plan, &at(phase, step), asked, SECOND).map(|s| (s.phase, s.step));
    for (phase, step, asked, expected) in [
        (Phase::Progressing, 0, Pause, (Phase::Paused, 0)),
        (Phase::Paused, 0, Resume, (Phase::Progressing, 0)),
        (Phase::Paused, 1, Resume, (Phase::Progressing, 2)),
        (Phase::Progressing, 0, Promote, (Phase::Paused, 1)),
        (Phase::Progressing, 2, Promote, (Phase::Healthy, 2)),
        (Phase::Progressing, 0, PromoteFull, (Phase::Healthy, 0)),
        (Phase::Paused, 1, Abort, (Phase::Degraded, 1)),
        (Phase::Healthy, 2, Abort, (Phase::Degraded, 2)),
        (Phase::Degraded, 1, Start, (Phase::Pending, 0)),
        (Phase::Healthy, 2, Start, (Phase::Pending, 0)),
    ] {
        assert_eq!(of(phase, step, asked), Ok(expected), "{asked:?} {phase:?}");
    }
    for (phase, asked) in [
        (Phase::Degraded, Resume),
        (Phase::Degraded, Promote),
        (Phase::Degraded, Abort),
        (Phase::Progressing, Start),
        (Phase::Progressing, Resume),
        (Phase::Pending, Pause),
        (Phase::Healthy, PromoteFull),
    ] {
        let refused = of(phase, 0, asked).unwrap_err();
        assert!(refused.contains(phase.as_str()) && refused.contains(asked.as_str()), "{refused}");
    }
}

#[test]
fn a_pause_keeps_the_steps_clock() {
    let running = State { since: SECOND, ..at(Phase::Progressing, 0) };
    let paused = command(&plan(), &running, Command::Pause, 30 * SECOND).unwrap();
    let resumed = command(&plan(), &paused, Command::Resume, 50 * SECOND).unwrap();
    assert_eq!(resumed, running);
}
