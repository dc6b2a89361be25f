//! Versions that keep failing: who answers instead, what is brought back, and what is told of it.

use std::time::Instant;

use girandole_core::{ErrorCode, RouteReason};

use super::{
    audit::{told, witnessed},
    *,
};
use crate::breaker::Breaker;

/// What answers a request, and why that one.
async fn answer(service: &Service, version: VersionSelector) -> Result<(u64, RouteReason)> {
    service.infer(request("m", version)?).await.map(|response| (response.version, response.route.reason))
}

async fn fail(service: &Service, times: usize) {
    for _ in 0..times {
        let failed = answer(service, VersionSelector::Any).await.unwrap_err();
        assert_eq!(failed.code(), ErrorCode::Internal);
    }
}

fn breaker(handle: &RuntimeHandle, version: u64) -> Arc<Breaker> {
    handle.shared.snapshot.load().models["m"].versions[&version].serving.breaker().clone()
}

#[tokio::test]
async fn the_last_good_version_is_brought_back_and_answers_until_the_failing_one_is_repaired() {
    let repository = Repository::new();
    repository.sealed("m", 1, "1");
    let (options, notes) = witnessed(&repository.path(), ControlMode::Poll);
    let (service, handle) = start(options).await;
    repository.sealed("m", 2, "fails");
    until_serving(&handle, "m", &[2]).await;
    notes.take();
    fail(&service, 5).await;
    until_serving(&handle, "m", &[1, 2]).await;
    assert_eq!(answer(&service, VersionSelector::Any).await, Ok((1, RouteReason::Fallback)));
    let named = answer(&service, VersionSelector::Number(2)).await.unwrap_err();
    assert_eq!(named.code(), ErrorCode::Internal, "who names it gets it");
    let shown = index(&service, "m", 2);
    let why = "taken out of the traffic: 5 of its last 5 runs failed, the last with: as asked";
    assert_eq!((shown.state, &*shown.reason), (Some(VersionState::Ready), why));
    assert_eq!((&*index(&service, "m", 1).reason, service.is_ready()), ("", true));
    let by_itself = |what, version, digests| told("server", what, &[version], digests);
    let brought_back =
        [by_itself("version_tripped", 2, [true, true]), by_itself("version_loaded", 1, [false, true])];
    assert_eq!(notes.take(), brought_back);
    repository.replace("m", 2, "2");
    until_serving(&handle, "m", &[2]).await;
    assert_eq!(answer(&service, VersionSelector::Any).await, Ok((2, RouteReason::Newest)));
    assert_eq!(index(&service, "m", 2).reason, "");
}

#[tokio::test]
async fn trials_that_go_well_bring_a_version_back() {
    let repository = Repository::new();
    repository.sealed("m", 1, "1");
    repository.sealed("m", 2, "2");
    let (options, notes) = witnessed(&repository.path(), ControlMode::Poll);
    let (service, handle) = start(options).await;
    notes.take();
    // An hour ago, so that it is time to try.
    let then = Instant::now().checked_sub(Duration::from_secs(3600)).unwrap();
    let breaker = breaker(&handle, 2);
    (0..5).for_each(|_| breaker.ran(Err(&Error::internal("it was odd")), then));
    until_serving(&handle, "m", &[1, 2]).await;
    for _ in 0..3 {
        assert!(breaker.is_out());
        assert_eq!(answer(&service, VersionSelector::Any).await, Ok((2, RouteReason::Newest)));
    }
    assert!(!breaker.is_out());
    assert_eq!(index(&service, "m", 2).reason, "");
    let mut seen = Vec::new();
    until(&handle, |_| {
        seen.extend(notes.take().into_iter().map(|(_, what, versions, _)| (what, versions[0])));
        seen.last() == Some(&("version_recovered", 2))
    })
    .await;
    assert_eq!(seen, [("version_tripped", 2), ("version_loaded", 1), ("version_recovered", 2)]);
    // What was brought back stays until somebody looks again.
    until_serving(&handle, "m", &[1, 2]).await;
    repository.write("m/config.pbtxt", "max_batch_size: 1");
    until_serving(&handle, "m", &[2]).await;
}

#[tokio::test]
async fn the_last_version_is_never_taken_out() {
    let repository = Repository::new();
    repository.sealed("m", 1, "fails");
    let (service, handle) = start(options(&repository.path(), ControlMode::Poll)).await;
    fail(&service, 20).await;
    assert!(breaker(&handle, 1).is_out() && service.is_ready());
    until_serving(&handle, "m", &[1]).await;
}

#[tokio::test]
async fn nothing_comes_back_with_it_that_nobody_asked_for() {
    let repository = Repository::new();
    repository.sealed("m", 1, "1");
    repository.sealed("m", 2, "fails");
    let (service, handle) = start(options(&repository.path(), explicit(&["m"]))).await;
    repository.sealed("m", 3, "3");
    fail(&service, 5).await;
    until_serving(&handle, "m", &[1, 2]).await;
    assert_eq!(answer(&service, VersionSelector::Any).await, Ok((1, RouteReason::Fallback)));
}

#[tokio::test]
async fn a_split_gives_the_share_of_a_failing_version_to_the_others() {
    let repository = Repository::new();
    for (version, text) in [(1, "1"), (2, "fails"), (3, "3")] {
        repository.sealed("m", version, text);
    }
    repository.write("m/traffic.toml", "[split]\nweights = { 1 = 1, 2 = 1, 3 = 0 }");
    let (service, handle) = start(options(&repository.path(), ControlMode::Poll)).await;
    until_serving(&handle, "m", &[1, 2, 3]).await;
    while !breaker(&handle, 2).is_out() {
        let _ = answer(&service, VersionSelector::Any).await;
    }
    let mut reasons = Vec::new();
    for _ in 0..20 {
        let (version, reason) = answer(&service, VersionSelector::Any).await.unwrap();
        assert_eq!(version, 1);
        reasons.push(reason);
    }
    assert!(reasons.contains(&RouteReason::Split) && reasons.contains(&RouteReason::Fallback), "{reasons:?}");
}

#[tokio::test]
async fn a_model_may_do_without() {
    let repository = Repository::new();
    let off = r#"parameters { key: "circuit_breaker" value { string_value: "off" } }"#;
    repository.write("m/config.pbtxt", off);
    repository.sealed("m", 1, "1");
    repository.sealed("m", 2, "fails");
    let (service, handle) = start(options(&repository.path(), ControlMode::Poll)).await;
    fail(&service, 20).await;
    assert!(!breaker(&handle, 2).is_out());
    until_serving(&handle, "m", &[2]).await;
}
