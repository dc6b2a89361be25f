//! Every suite: each case passes or fails exactly as the committed lists say.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use girandole_conformance::{cases_folder, expected, place::Place, suite::Suite};

fn ends_as_the_list_says(suite: Suite, place: Place) {
    let folder = cases_folder()
        .expect("the onnx package is not installed: run tests/run, or set GIRANDOLE_ONNX_CASES");
    let expected = expected::parse(suite.expected()).unwrap();
    let names = suite.cases(&folder).unwrap();
    std::panic::set_hook(Box::new(|_| {}));
    let outcomes: BTreeMap<_, _> = names.iter().map(|name| (name, suite.run(&folder, name, place))).collect();
    let _ = std::panic::take_hook();

    let surprising = outcomes.iter().filter_map(|(name, outcome)| {
        let failure = outcome.as_ref().err()?;
        let known = expected.get(*name).is_some_and(|listed| listed.allows(outcome));
        (!known).then(|| format!("{name} {} {}", failure.kind(), failure.message()))
    });
    let surprising: Vec<_> = surprising.collect();
    assert!(surprising.is_empty(), "not as the list says:\n{}", surprising.join("\n"));
    let ends_so = |(name, listed): &(&String, &expected::Expectation)| {
        outcomes.get(name).is_some_and(|outcome| listed.allows(outcome))
    };
    let passing: Vec<_> = expected.iter().filter(|listed| !ends_so(listed)).map(|(name, _)| name).collect();
    assert!(passing.is_empty(), "passing now, or gone: take them off the list: {passing:?}");
    let passed = outcomes.iter().filter(|(name, _)| !expected.contains_key(**name)).count();
    println!("{passed} of {} {suite} tests pass", names.len());
    assert!(passed >= suite.at_least(), "only {passed} pass");
}

#[test]
fn every_case_ends_as_the_list_says() {
    ends_as_the_list_says(Suite::Node, Place::Cpu);
}

#[test]
fn the_simple_models_end_as_the_list_says() {
    ends_as_the_list_says(Suite::Simple, Place::Cpu);
}

#[test]
fn what_pytorch_exported_early_passes() {
    ends_as_the_list_says(Suite::PytorchOperator, Place::Cpu);
    ends_as_the_list_says(Suite::PytorchConverted, Place::Cpu);
}

#[test]
fn the_light_networks_pass() {
    ends_as_the_list_says(Suite::Light, Place::Cpu);
}

#[test]
fn what_the_passes_make_for_a_gpu_is_right_on_the_host() {
    Suite::ALL.into_iter().for_each(|suite| ends_as_the_list_says(suite, Place::GpuPasses));
}
