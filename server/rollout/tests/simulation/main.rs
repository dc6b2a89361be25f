//! Thousands of rollouts of good and bad canaries: how often a good one is taken back, and a bad one let through,
//! beside what is stated. `cargo test -p girandole-rollout --test simulation -- --nocapture` prints the table.

mod world;

use std::{collections::BTreeMap, thread, time::Duration};

use girandole_rollout::{
    Decision, Metric, Pause, Plan, Reason, Seen, State, Step, decide, power::Sensitivity,
};
use world::{Behaviour, World, factor_between, shift_with};

/// Rollouts of each kind.
const ROLLOUTS: u64 = 1_000;
/// The stated chance to miss an effect of the size that the plan finds.
const BETA: f64 = 0.05;
/// The stable arm's error rate.
const BASE_ERRORS: f64 = 0.002;
const LIMITS: [(Metric, f64); 6] = [
    (Metric::ErrorRate, 0.01),
    (Metric::LatencyP50, 1.2),
    (Metric::LatencyP99, 1.5),
    (Metric::Disagreement, 0.02),
    (Metric::Ks, 0.1),
    (Metric::Psi, 0.2),
];

fn plan() -> Plan {
    let step = |set_weight, requests| Step {
        set_weight,
        pause: Pause::Until { duration: None, requests: Some(requests) },
    };
    Plan {
        steps: vec![step(10.0, 250), step(30.0, 750), step(50.0, 3_000)],
        guards: LIMITS.into(),
        min_samples: 100,
        interval: Duration::from_secs(1),
        alpha: 0.05,
    }
}

fn limit(metric: Metric) -> f64 {
    plan().guards[&metric]
}

/// What is surely seen by the end of the last step, for requests and for comparisons.
fn sensitivity(samples: u64) -> Sensitivity {
    let looks = 2 * 3_000 / world::REQUESTS_A_LOOK;
    Sensitivity { stable: 2_800, canary: samples, looks, beta: BETA }
}

/// A kind of canary, and how often at most it ends otherwise than it should.
struct Case {
    name: &'static str,
    canary: Behaviour,
    /// Whether it is to be rolled back.
    bad: bool,
    /// `None` for what is worse than its limit, and not by enough that it has to be found.
    stated: Option<f64>,
}

fn cases() -> Vec<Case> {
    let plan = plan();
    let stable = Behaviour { errors: BASE_ERRORS, ..Behaviour::default() };
    let (requests, compared) = (sensitivity(3_000), sensitivity(1_400));
    let slower = |q, metric| {
        let (low, high) = requests.quantiles(&plan, q);
        // Two buckets' width.
        limit(metric) * factor_between(low, high) * 1.022 * 1.022
    };
    let at_limits = Behaviour {
        errors: BASE_ERRORS + limit(Metric::ErrorRate),
        slowness: limit(Metric::LatencyP50),
        tail: limit(Metric::LatencyP99) / limit(Metric::LatencyP50),
        differs: limit(Metric::Disagreement),
        shift: shift_with(limit(Metric::Ks)),
    };
    let failing = requests.error_rate(&plan, BASE_ERRORS, limit(Metric::ErrorRate));
    let differing = compared.disagreement(&plan, limit(Metric::Disagreement));
    let shifted = shift_with(requests.ks(&plan, limit(Metric::Ks)));
    let bad = [
        ("bad: failing", Behaviour { errors: failing, ..stable }),
        ("bad: slower median", Behaviour { slowness: slower(0.5, Metric::LatencyP50), ..stable }),
        ("bad: slower slowest tenth", Behaviour { tail: slower(0.99, Metric::LatencyP99), ..stable }),
        ("bad: different answers", Behaviour { differs: differing, ..stable }),
        ("bad: shifted answers", Behaviour { shift: shifted, ..stable }),
    ];
    let good = |name, canary| Case { name, canary, bad: false, stated: Some(plan.alpha) };
    let found = bad.map(|(name, canary)| Case { name, canary, bad: true, stated: Some(BETA) });
    let half = bad.map(|(_, canary)| {
        let canary = canary.nearer_to(at_limits, stable);
        Case { name: "  half as far off", canary, bad: true, stated: None }
    });
    let good = [good("good: the same", stable), good("good: at every limit", at_limits)];
    good.into_iter().chain(found.into_iter().zip(half).flat_map(|(found, half)| [found, half])).collect()
}

/// How a rollout ended, and after how many of the canary's requests.
struct Ended {
    reason: Option<Reason>,
    requests: u64,
}

fn roll_out(plan: &Plan, stable: Behaviour, canary: Behaviour, seed: u64) -> Ended {
    let mut world = World::new(stable, canary, seed);
    let (mut state, mut requests, mut now) = (State::default(), 0, Duration::ZERO);
    loop {
        let seen = Seen { ready: true, observed: world.look(state.weight(plan), plan.min_samples), now };
        let in_step = seen.observed.canary.requests();
        let decision = decide(plan, &state, &seen);
        match decision {
            Decision::Hold(_) => {}
            Decision::Advance(_) => {
                requests += in_step;
                world.new_step();
            }
            Decision::RollBack(reason) => {
                return Ended { reason: Some(reason), requests: requests + in_step };
            }
            Decision::Complete => return Ended { reason: None, requests: requests + in_step },
        }
        state = state.after(plan, decision, now);
        now += plan.interval;
    }
}

/// What became of a case's rollouts.
struct Measured {
    /// The part that ended wrongly.
    wrong: f64,
    /// The canary's requests until the end, on average.
    requests: f64,
    /// What most of those that were taken back were taken back for.
    reason: &'static str,
}

fn measure(case: &Case) -> Measured {
    let (plan, stable) = (plan(), Behaviour { errors: BASE_ERRORS, ..Behaviour::default() });
    let ended: Vec<_> = (0..ROLLOUTS).map(|seed| roll_out(&plan, stable, case.canary, seed)).collect();
    let wrong = ended.iter().filter(|ended| ended.reason.is_some() != case.bad).count();
    let requests: u64 = ended.iter().map(|ended| ended.requests).sum();
    let reasons = ended.iter().filter_map(|ended| ended.reason).map(|reason| reason.as_str());
    Measured {
        wrong: wrong as f64 / ROLLOUTS as f64,
        requests: requests as f64 / ROLLOUTS as f64,
        reason: most_common(reasons).unwrap_or("-"),
    }
}

fn most_common<'a>(items: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut counts = BTreeMap::new();
    items.for_each(|item| *counts.entry(item).or_insert(0) += 1);
    counts.into_iter().max_by_key(|&(_, count)| count).map(|(item, _)| item)
}

#[test]
fn good_canaries_pass_and_bad_ones_are_taken_back_as_often_as_stated() {
    let cases = cases();
    let measured: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> = cases.iter().map(|case| scope.spawn(|| measure(case))).collect();
        running.into_iter().map(|one| one.join().unwrap()).collect()
    });
    println!("{ROLLOUTS} rollouts of each kind, of 4,000 requests to the canary");
    println!(
        "{:26} {:>7} {:>7} {:>7} {:>7} {:>7}  {:10} {:>7} {:>9}  {:13} {:>8}",
        "canary",
        "errors",
        "latency",
        "tail",
        "differ",
        "shift",
        "wrong when",
        "stated",
        "measured",
        "mostly for",
        "requests"
    );
    for (case, Measured { wrong, requests, reason }) in cases.iter().zip(&measured) {
        let Behaviour { errors, slowness, tail, differs, shift } = case.canary;
        let when = if case.bad { "let by" } else { "taken back" };
        let (stated, wrong) =
            (case.stated.map_or("-".to_owned(), |part| format!("{:.1}%", part * 100.0)), wrong * 100.0);
        println!(
            "{:26} {errors:>7.4} {slowness:>6.2}x {tail:>6.2}x {differs:>7.3} {shift:>6.2}s  {when:10} {stated:>7} {wrong:>8.1}%  {reason:13} {requests:>8.0}",
            case.name
        );
    }
    for (case, Measured { wrong, .. }) in cases.iter().zip(&measured) {
        let stated = case.stated.unwrap_or(1.0);
        assert!(*wrong <= stated, "{}: stated {stated}, measured {wrong}", case.name);
    }
}

#[test]
fn a_canary_that_always_fails_is_taken_back_within_its_first_dozens_of_requests() {
    let stable = Behaviour { errors: BASE_ERRORS, ..Behaviour::default() };
    let ended = roll_out(&plan(), stable, Behaviour { errors: 1.0, ..stable }, 7);
    assert!(matches!(ended.reason, Some(Reason::Guard(verdict)) if verdict.metric == Metric::ErrorRate));
    assert!(ended.requests < 60, "{}", ended.requests);
}
