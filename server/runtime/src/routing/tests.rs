//! Who chooses, in which order, over what serves.

use super::*;
use crate::traffic::bind;

fn routes(text: &str, serving: &[u64]) -> Routes {
    let traffic = Traffic::parse(text, "m").unwrap();
    let labels = bind(&traffic.labels, &Bindings::new(), |number| serving.contains(&number));
    Routes { traffic: Arc::new(traffic), labels, ..Routes::default() }
}

fn ask(selector: &str, parameters: &[(&str, &str)]) -> InferRequest {
    let text = |(key, value): &(&str, &str)| {
        ((*key).to_owned(), girandole_core::Parameter::String((*value).to_owned()))
    };
    InferRequest {
        version: VersionSelector::parse(selector),
        parameters: parameters.iter().map(text).collect(),
        ..InferRequest::default()
    }
}

fn choice(version: u64, arm: Option<&str>, reason: RouteReason) -> Result<Choice, Miss> {
    Ok(Choice { version, route: Route { arm: arm.map(Arc::from), reason } })
}

const TRAFFIC: &str = r#"
[labels]
stable = 2
canary = 3
next = 9
[[rules]]
name = "early"
parameter = "group"
equals = "early"
to = "next"
[[rules]]
name = "testers"
parameter = "group"
in = ["early", "testers"]
to = "canary"
[split]
weights = { stable = 1, next = 5 }
sticky = [{ parameter = "subscriber" }]
"#;

#[test]
fn without_traffic_any_is_the_newest_and_the_rest_is_exact() {
    let none = Routes::default();
    let of = |selector, serving: &[u64]| none.choose(&ask(selector, &[]), serving.iter().copied());
    assert_eq!(of("", &[2, 10]), choice(10, None, RouteReason::Newest));
    assert_eq!(of("", &[]), Err(Miss::NothingServes));
    assert_eq!(of("2", &[2, 10]), choice(2, None, RouteReason::Version));
    assert_eq!(of("3", &[2, 10]), Err(Miss::NotServing(3)));
    assert_eq!(of("stable", &[2, 10]), Err(Miss::UnknownLabel));
}

#[test]
fn the_callers_wish_comes_first_then_rules_then_the_split() {
    let serving = [1, 2, 3];
    let routes = routes(TRAFFIC, &serving);
    let of = |selector, parameters: &[_]| routes.choose(&ask(selector, parameters), serving.iter().copied());
    assert_eq!(of("1", &[("group", "testers")]), choice(1, None, RouteReason::Version));
    assert_eq!(of("canary", &[]), choice(3, Some("canary"), RouteReason::Label));
    assert_eq!(of("next", &[]), Err(Miss::NotServing(9)));
    assert_eq!(of("", &[("group", "testers")]), choice(3, Some("canary"), RouteReason::Rule));
    assert_eq!(
        of("", &[("group", "early")]),
        choice(3, Some("canary"), RouteReason::Rule),
        "next is pending"
    );
    assert_eq!(of("", &[("group", "else")]), choice(2, Some("stable"), RouteReason::Split));
    assert_eq!(of("", &[("subscriber", "7")]), choice(2, Some("stable"), RouteReason::Sticky));
    assert_eq!(
        of("", &[("subscriber", "")]),
        choice(2, Some("stable"), RouteReason::Split),
        "an empty key is none"
    );
}

#[test]
fn what_the_traffic_would_choose_without_it_answers_instead_of_a_version_that_is_out() {
    let routes = routes(TRAFFIC, &[1, 2, 3]);
    let fallback = |parameters: &[_], healthy: &[u64]| {
        let choice = routes.fall_back(&ask("", parameters), 2, healthy.iter().copied());
        choice.map(|choice| (choice.version, choice.route.arm, choice.route.reason))
    };
    let expected = |version, arm: Option<&str>| Some((version, arm.map(Arc::from), RouteReason::Fallback));
    assert_eq!(fallback(&[("group", "early")], &[1, 2]), expected(2, Some("stable")), "the rules' next");
    assert_eq!(fallback(&[], &[1, 2, 3]), expected(2, Some("stable")));
    assert_eq!(fallback(&[("subscriber", "7")], &[1, 3]), expected(1, None), "no arm: the one before");
    assert_eq!(fallback(&[], &[3]), expected(3, None));
    assert_eq!(fallback(&[], &[]), None);
}

#[test]
fn what_is_newer_and_only_looked_at_answers_for_nobody() {
    let text = "[split]\nweights = { 1 = 0, 2 = 1, 3 = 0 }\n[shadow]\nto = 4\npercent = 1";
    let routes = routes(text, &[1, 2, 3, 4, 5]);
    let fallback = |healthy: &[u64]| {
        routes.fall_back(&ask("", &[]), 2, healthy.iter().copied()).map(|choice| choice.version)
    };
    assert_eq!((fallback(&[1, 3, 4, 5]), fallback(&[3, 4, 5]), fallback(&[3, 4])), (Some(1), Some(5), None));
}

#[test]
fn shares_of_two_that_are_left_stay_what_they_were() {
    let routes = routes("[split]\nweights = { 1 = 2, 2 = 1, 3 = 1 }", &[1, 2, 3]);
    let mut counts = [0_i32; 4];
    for _ in 0..1000 {
        let choice = routes.choose(&ask("", &[]), [1, 2, 3].into_iter()).unwrap();
        if choice.version == 1 {
            let other = routes.fall_back(&ask("", &[]), 1, [2, 3].into_iter()).unwrap();
            counts[usize::try_from(other.version).unwrap()] += 1;
        }
    }
    assert!(counts[2].abs_diff(counts[3]) < 20 && counts[2] > 200, "{counts:?}");
}

#[test]
fn who_names_a_version_is_not_sent_elsewhere() {
    let routes = Routes::default();
    assert!(routes.may_fall_back(&ask("", &[]), 2));
    assert!(!routes.may_fall_back(&ask("2", &[]), 2) && !routes.may_fall_back(&ask("stable", &[]), 2));
}

#[test]
fn a_split_whose_arms_are_all_gone_misses() {
    let routes = routes(TRAFFIC, &[1]);
    assert_eq!(routes.choose(&ask("", &[]), [1].into_iter()), Err(Miss::NoArmServes));
    assert_eq!(routes.find(&VersionSelector::Any, [1].into_iter()), Ok(1));
}
