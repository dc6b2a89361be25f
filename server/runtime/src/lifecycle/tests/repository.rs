//! Digests, several repositories, and the check without a server.

use super::*;
use crate::{
    lifecycle::{CheckOptions, check},
    repository::Trust,
};

#[tokio::test]
async fn files_that_do_not_match_their_digests_are_refused() {
    let repository = Repository::new();
    repository.sealed("m", 1, "1");
    repository.write("m/1/model.onnx", "2");
    let (service, _handle) = start(options(&repository.path(), ControlMode::None)).await;
    assert_eq!(state(&service, "m", 1), Some(VersionState::Unavailable));
    assert!(index(&service, "m", 1).reason.contains("'model.onnx' differs"));
    assert!(!service.is_ready());
}

#[tokio::test]
async fn digests_can_be_required() {
    let repository = Repository::new();
    repository.sealed("sealed", 1, "1");
    repository.write("open/1/model.onnx", "1");
    let options = RuntimeOptions {
        trust: Trust { require_digests: true, ..Trust::default() },
        ..options(&repository.path(), ControlMode::None)
    };
    let (service, _handle) = start(options).await;
    assert_eq!(state(&service, "sealed", 1), Some(VersionState::Ready));
    assert!(index(&service, "open", 1).reason.contains("SHA256SUMS"));
}

#[tokio::test]
async fn a_name_in_two_repositories_serves_from_neither() {
    let repositories = [Repository::new(), Repository::new()];
    repositories.iter().for_each(|repository| repository.write("m/1/model.onnx", "1"));
    repositories[1].write("n/1/model.onnx", "1");
    let mut options = options(&repositories[0].path(), ControlMode::None);
    options.repositories.push(repositories[1].path());
    let (service, _handle) = start(options).await;
    let entries = service.repository_index(false);
    assert!(entries[0].reason.contains("more than one model repository"), "{entries:?}");
    assert_eq!(entries[1].state, Some(VersionState::Ready));
}

#[tokio::test]
async fn a_configured_warm_up_that_fails_fails_the_load() {
    let repository = Repository::new();
    repository.write("m/1/model.onnx", "1");
    let warmup = r#"model_warmup { name: "w" inputs { key: "z" value { data_type: TYPE_INT64 dims: [ 1 ] zero_data: true } } }"#;
    repository.write("m/config.pbtxt", warmup);
    let (service, _handle) = start(options(&repository.path(), ControlMode::None)).await;
    assert!(index(&service, "m", 1).reason.contains("unexpected input 'z'"));
}

#[test]
fn a_repository_that_is_not_there_fails_the_start() {
    let missing = options(Path::new("/nowhere/at/all"), ControlMode::None);
    assert!(Runtime::start(missing, Arc::new(MockLoader(Arc::new(load)))).is_err());
    assert!(Runtime::start(RuntimeOptions::default(), Arc::new(MockLoader(Arc::new(load)))).is_err());
}

#[test]
fn a_check_says_what_would_load_and_why_not() {
    let repository = Repository::new();
    repository.write("good/1/model.onnx", "1");
    repository.write("bad/3/model.onnx", "bad");
    repository.write("none/config.pbtxt", "");
    repository.write("wrong/1/model.onnx", "1");
    repository.write("wrong/config.pbtxt", "nonsense: 1");
    let loader = Arc::new(MockLoader(Arc::new(load)));
    let reports = check(&[repository.path()], loader, &CheckOptions::default()).unwrap();
    let seen: Vec<_> = reports.iter().map(|r| (r.model.as_str(), r.version, r.outcome.is_ok())).collect();
    let expected =
        [("bad", Some(3), false), ("good", Some(1), true), ("none", None, false), ("wrong", None, false)];
    assert_eq!(seen, expected);
}
