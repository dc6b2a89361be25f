//! Traffic files over a repository that is followed: what applies when, and what never does.

use super::*;
use crate::{
    lifecycle::{CheckOptions, check},
    routing::Routes,
};

/// Nothing waits for files to settle.
fn follow(root: &Path) -> RuntimeOptions {
    RuntimeOptions { settle_time: Duration::ZERO, ..options(root, ControlMode::Poll) }
}

async fn until_routes(handle: &RuntimeHandle, mut wanted: impl FnMut(&Routes) -> bool) {
    until(handle, |snapshot| snapshot.models.get("m").is_some_and(|model| wanted(&model.routes))).await;
}

fn label(name: &str) -> VersionSelector {
    VersionSelector::Label(name.to_owned())
}

const SPLIT: &str = "[labels]\nstable = 1\ncanary = 2\n[split]\nweights = { stable = 100, canary = 0 }\n";

#[tokio::test]
async fn what_traffic_names_is_loaded_beside_what_the_policy_selects() {
    let repository = Repository::new();
    for version in 1..=3 {
        repository.sealed("m", version, &version.to_string());
    }
    repository.write("m/traffic.toml", SPLIT);
    let (service, handle) = start(follow(&repository.path())).await;
    until_serving(&handle, "m", &[1, 2, 3]).await;
    assert_eq!(ask(&service, "m", VersionSelector::Any).await, Ok(1), "the split, not the newest");
    assert_eq!(ask(&service, "m", label("canary")).await, Ok(2));
    repository.write("m/traffic.toml", &SPLIT.replace("stable = 100, canary = 0", "stable = 0, canary = 1"));
    until_routes(&handle, |routes| {
        routes.traffic.split.as_ref().is_some_and(|split| split.arms()[0].weight > 0.0)
    })
    .await;
    assert_eq!(ask(&service, "m", VersionSelector::Any).await, Ok(2));
    fs::remove_file(repository.path().join("m/traffic.toml")).unwrap();
    until_serving(&handle, "m", &[3]).await;
    assert_eq!(ask(&service, "m", VersionSelector::Any).await, Ok(3));
}

#[tokio::test]
async fn a_label_waits_for_its_version_and_keeps_the_last_one_meanwhile() {
    let repository = Repository::new();
    repository.sealed("m", 1, "1");
    repository.sealed("m", 2, "2");
    repository.write("m/traffic.toml", SPLIT);
    let (service, handle) = start(follow(&repository.path())).await;
    until_serving(&handle, "m", &[1, 2]).await;
    repository.write("m/traffic.toml", &SPLIT.replace("canary = 2", "canary = 7"));
    until_routes(&handle, |routes| routes.labels["canary"].is_pending()).await;
    assert_eq!(ask(&service, "m", label("canary")).await, Ok(2));
    repository.sealed("m", 7, "7");
    until_serving(&handle, "m", &[1, 7]).await;
    assert_eq!(ask(&service, "m", label("canary")).await, Ok(7));
    let routes = service.routes("m").unwrap();
    assert!(!routes.labels["canary"].is_pending());
}

#[tokio::test]
async fn a_label_without_any_version_is_unavailable_and_says_why() {
    let repository = Repository::new();
    repository.sealed("m", 1, "1");
    repository.write("m/traffic.toml", SPLIT);
    let (service, handle) = start(follow(&repository.path())).await;
    until_serving(&handle, "m", &[1]).await;
    let error = ask(&service, "m", label("canary")).await.unwrap_err();
    assert_eq!(error.code(), girandole_core::ErrorCode::Unavailable);
    assert!(
        error.message().contains("label 'canary' waits") && error.message().contains("version 2"),
        "{error}"
    );
    let error = ask(&service, "m", label("nobody")).await.unwrap_err();
    assert!(error.message().contains("labels: canary, stable"), "{error}");
}

#[tokio::test]
async fn a_pending_label_has_its_last_version_after_a_restart_too() {
    let repository = Repository::new();
    for version in [1, 4] {
        repository.sealed("m", version, &version.to_string());
    }
    repository.write("m/traffic.toml", "[labels]\nstable = 1\n");
    let state = tempfile::tempdir().unwrap();
    let options =
        || RuntimeOptions { state_dir: Some(state.path().to_owned()), ..follow(&repository.path()) };
    let (_, handle) = start(options()).await;
    until_serving(&handle, "m", &[1, 4]).await;
    repository.write("m/traffic.toml", "[labels]\nstable = 2\n");
    until_routes(&handle, |routes| routes.labels["stable"].wanted == 2).await;
    assert!(handle.shutdown(PATIENCE).await);
    let (service, handle) = start(options()).await;
    until_serving(&handle, "m", &[1, 4]).await;
    assert_eq!(ask(&service, "m", label("stable")).await, Ok(1));
    repository.sealed("m", 2, "2");
    until_serving(&handle, "m", &[2, 4]).await;
    assert_eq!(ask(&service, "m", label("stable")).await, Ok(2));
}

#[tokio::test]
async fn a_file_that_cannot_be_honoured_changes_nothing_and_says_why() {
    let repository = Repository::new();
    repository.sealed("m", 1, "1");
    repository.sealed("m", 2, "2");
    repository.write("m/traffic.toml", SPLIT);
    let (service, handle) = start(follow(&repository.path())).await;
    until_serving(&handle, "m", &[1, 2]).await;
    repository.write("m/traffic.toml", "[split]\nweights = { canary = 1 }\n");
    until_routes(&handle, |routes| routes.refused.is_some()).await;
    let routes = service.routes("m").unwrap();
    assert!(routes.refused.as_ref().unwrap().contains("split.weights.canary"), "{:?}", routes.refused);
    assert_eq!(ask(&service, "m", VersionSelector::Any).await, Ok(1));
    assert_eq!(ask(&service, "m", label("canary")).await, Ok(2));
    repository.write("m/traffic.toml", SPLIT);
    until_routes(&handle, |routes| routes.refused.is_none()).await;
}

#[tokio::test]
async fn a_load_by_request_brings_its_traffic() {
    let repository = Repository::new();
    repository.sealed("m", 1, "1");
    repository.sealed("m", 2, "2");
    repository.write("m/traffic.toml", SPLIT);
    let (service, handle) = start(options(&repository.path(), explicit(&[]))).await;
    service.load_model("m", Default::default()).await.unwrap();
    until_serving(&handle, "m", &[1, 2]).await;
    assert_eq!(ask(&service, "m", VersionSelector::Any).await, Ok(1));
}

#[test]
fn a_check_looks_at_the_traffic_too() {
    let repository = Repository::new();
    repository.sealed("m", 1, "1");
    repository.sealed("m", 2, "2");
    let reports = || {
        let loader = Arc::new(MockLoader(Arc::new(load)));
        check(&[repository.path()], loader, &CheckOptions::default()).unwrap()
    };
    repository.write("m/traffic.toml", SPLIT);
    assert_eq!(reports().iter().map(|report| report.version).collect::<Vec<_>>(), [Some(1), Some(2)]);
    repository.write("m/traffic.toml", "[labels]\nstable = 0\n");
    let reports = reports();
    let error = reports[0].outcome.as_ref().unwrap_err();
    assert!(error.message().contains("traffic.toml: labels.stable"), "{error}");
}
