//! The whole suite: every case passes or fails exactly as the committed list says.

use std::collections::BTreeMap;

use girandole_conformance::{case, case_names, cases_folder, expected};

/// What passed when the list was last written; the list may only shrink.
const AT_LEAST: usize = 1_319;

#[test]
fn every_case_ends_as_the_list_says() {
    let folder = cases_folder()
        .expect("the onnx package is not installed: run tests/run, or set GIRANDOLE_ONNX_CASES");
    let expected = expected::parse(include_str!("../expected-failures.txt")).unwrap();
    let names = case_names(&folder).unwrap();
    std::panic::set_hook(Box::new(|_| {}));
    let failures: BTreeMap<_, _> =
        names.iter().filter_map(|name| Some((name.clone(), case::run(&folder.join(name)).err()?))).collect();
    let _ = std::panic::take_hook();

    let surprising = failures
        .iter()
        .filter(|(name, failure)| expected.get(*name).is_none_or(|(kind, _)| kind != failure.kind()));
    let surprising: Vec<_> =
        surprising.map(|(name, f)| format!("{name} {} {}", f.kind(), f.message())).collect();
    assert!(surprising.is_empty(), "not as the list says:\n{}", surprising.join("\n"));
    let passing: Vec<_> = expected.keys().filter(|name| !failures.contains_key(*name)).collect();
    assert!(passing.is_empty(), "passing now, take them off the list: {passing:?}");
    let passed = names.len() - failures.len();
    println!("{passed} of {} node tests pass", names.len());
    assert!(passed >= AT_LEAST, "only {passed} pass");
}
