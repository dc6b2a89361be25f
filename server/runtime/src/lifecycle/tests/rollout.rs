//! Rollouts over a repository: what moves the weights, what takes them back, and what outlives a restart.

use girandole_core::{ErrorCode, audit::Actor};
use girandole_rollout::Phase;

use super::*;
use crate::{
    rollout::{Command, Metric, Reason, RolloutStatus},
    routing::Routes,
};

const TRAFFIC: &str = r#"
[labels]
stable = 1
canary = 2
[rollout]
interval = "10ms"
min_samples = 50
steps = [{ set_weight = 20 }, { set_weight = 50, pause = { requests = 100 } }]
guards = { error_rate = 0.05, ks = 0.3, psi = 1.0 }
"#;

/// A repository of version 1, which answers 1, and a version 2 of this content.
fn canary(content: &str) -> Repository {
    let repository = Repository::new();
    repository.sealed("m", 1, "1");
    repository.sealed("m", 2, content);
    repository.write("m/traffic.toml", TRAFFIC);
    repository
}

async fn serve(repository: &Repository) -> (Service, RuntimeHandle) {
    let options = options(&repository.path(), ControlMode::Poll);
    start(RuntimeOptions { settle_time: Duration::ZERO, ..options }).await
}

fn status(service: &Service) -> RolloutStatus {
    service.rollout_status("m").unwrap().unwrap()
}

/// Asks on and on until it has come to this.
async fn drive(service: &Service, wanted: impl Fn(&RolloutStatus) -> bool) -> RolloutStatus {
    let asked = async {
        loop {
            for _ in 0..20 {
                let _ = ask(service, "m", VersionSelector::Any).await;
            }
            let status = status(service);
            if wanted(&status) {
                return status;
            }
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("it never came to that")
}

async fn until_phase(handle: &RuntimeHandle, phase: Phase) {
    let is = |routes: &Routes| routes.rollout.as_ref().is_some_and(|rollout| rollout.state().phase == phase);
    until(handle, |snapshot| snapshot.models.get("m").is_some_and(|model| is(&model.routes))).await;
}

/// The canary's weight in the split that requests follow.
fn weight(service: &Service) -> f64 {
    let routes = service.routes("m").unwrap();
    let split = routes.traffic.split.as_ref().unwrap();
    split.arms().iter().find(|arm| &*arm.name == "canary").unwrap().weight
}

#[tokio::test]
async fn a_good_canary_goes_through_all_steps_and_gets_everything() {
    // The same answers as version 1.
    let repository = canary("1");
    let (service, handle) = serve(&repository).await;
    until_phase(&handle, Phase::Progressing).await;
    assert_eq!(weight(&service), 20.0);
    let second = drive(&service, |status| status.step == 2).await;
    assert_eq!((second.weight, weight(&service)), (50.0, 50.0));
    let done = drive(&service, |status| status.phase == Phase::Healthy).await;
    assert_eq!((done.weight, weight(&service)), (100.0, 100.0));
    assert_eq!((done.reason, done.waits_for), (None, None));
}

#[tokio::test]
async fn a_failing_canary_is_rolled_back_and_says_why() {
    let repository = canary("fails");
    let (service, _handle) = serve(&repository).await;
    let back = drive(&service, |status| status.phase == Phase::Degraded).await;
    assert_eq!((back.weight, weight(&service)), (0.0, 0.0));
    let Some(Reason::Guard(verdict)) = back.reason else { panic!("{back:?}") };
    assert!(verdict.metric == Metric::ErrorRate && verdict.bound > 0.05, "{verdict}");
    // What it was taken back for can still be looked at.
    let guard = back.guards.iter().find(|guard| guard.metric == Metric::ErrorRate).unwrap();
    assert!(guard.broken() && back.canary.errors > 0 && back.waits_for.is_none(), "{back:?}");
    for _ in 0..50 {
        assert_eq!(ask(&service, "m", VersionSelector::Any).await, Ok(1));
    }
}

#[tokio::test]
async fn a_canary_with_other_answers_is_rolled_back() {
    let repository = canary("2");
    let (service, _handle) = serve(&repository).await;
    let back = drive(&service, |status| status.phase == Phase::Degraded).await;
    let Some(Reason::Guard(verdict)) = back.reason else { panic!("{back:?}") };
    assert!(matches!(verdict.metric, Metric::Ks | Metric::Psi), "{verdict}");
}

#[tokio::test]
async fn what_both_answer_is_compared_where_a_shadow_is() {
    let repository = canary("2");
    let guards = "guards = { disagreement = 0.1 }\n[shadow]\nto = \"canary\"\npercent = 100";
    let text = TRAFFIC.replace("guards = { error_rate = 0.05, ks = 0.3, psi = 1.0 }", guards);
    repository.write("m/traffic.toml", &text);
    let (service, _handle) = serve(&repository).await;
    let back = drive(&service, |status| status.phase == Phase::Degraded).await;
    let Some(Reason::Guard(verdict)) = back.reason else { panic!("{back:?}") };
    assert_eq!(verdict.metric, Metric::Disagreement);
}

#[tokio::test]
async fn it_begins_when_both_versions_serve() {
    let repository = Repository::new();
    repository.sealed("m", 1, "1");
    repository.write("m/traffic.toml", TRAFFIC);
    let (service, handle) = serve(&repository).await;
    let pending = status(&service);
    assert_eq!((pending.phase, pending.step, pending.weight), (Phase::Pending, 0, 0.0));
    assert_eq!(ask(&service, "m", VersionSelector::Any).await, Ok(1));
    repository.sealed("m", 2, "1");
    until_phase(&handle, Phase::Progressing).await;
}

#[tokio::test]
async fn what_was_rolled_back_stays_back_until_a_person_acts() {
    let repository = canary("fails");
    let (service, handle) = serve(&repository).await;
    drive(&service, |status| status.phase == Phase::Degraded).await;
    drop((service, handle));
    // A restart.
    let (service, handle) = serve(&repository).await;
    until_serving(&handle, "m", &[1, 2]).await;
    let back = status(&service);
    assert!(back.phase == Phase::Degraded && matches!(back.reason, Some(Reason::Guard(_))), "{back:?}");
    // A change of something else.
    repository.write(
        "m/traffic.toml",
        &format!("{TRAFFIC}[[rules]]\nname = \"r\"\nheader = \"h\"\nequals = \"x\"\nto = 1\n"),
    );
    until(&handle, |snapshot| !snapshot.models["m"].routes.traffic.rules.is_empty()).await;
    assert_eq!(status(&service).phase, Phase::Degraded);
    // Another version as the canary.
    repository.sealed("m", 3, "1");
    repository.write("m/traffic.toml", &TRAFFIC.replace("canary = 2", "canary = 3"));
    until_phase(&handle, Phase::Progressing).await;
    assert_eq!(status(&service).canary.version, 3);
    assert!(!repository.path().join("m/.girandole").exists());
}

#[tokio::test]
async fn a_person_pauses_promotes_aborts_and_starts_it() {
    let repository = canary("1");
    let (service, handle) = serve(&repository).await;
    until_phase(&handle, Phase::Progressing).await;
    let control = async |asked| {
        service.control_rollout("m", asked, Actor::Client).await?;
        let now = status(&service);
        Ok::<_, Error>((now.phase, now.step, weight(&service)))
    };
    assert_eq!(control(Command::Pause).await, Ok((Phase::Paused, 1, 20.0)));
    assert_eq!(control(Command::Resume).await, Ok((Phase::Progressing, 1, 20.0)));
    assert_eq!(control(Command::Promote).await, Ok((Phase::Progressing, 2, 50.0)));
    assert_eq!(control(Command::PromoteFull).await, Ok((Phase::Healthy, 2, 100.0)));
    assert_eq!(control(Command::Abort).await, Ok((Phase::Degraded, 2, 0.0)));
    assert_eq!(status(&service).reason, Some(Reason::Aborted));
    let error = control(Command::Promote).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
    assert!(error.message().contains("'promote' is not possible while it is degraded"), "{error}");
    service.control_rollout("m", Command::Start, Actor::Client).await.unwrap();
    until_phase(&handle, Phase::Progressing).await;
}

#[tokio::test]
async fn only_what_the_split_deals_out_counts() {
    let repository = canary("1");
    let (service, handle) = serve(&repository).await;
    until_phase(&handle, Phase::Progressing).await;
    service.control_rollout("m", Command::Pause, Actor::Client).await.unwrap();
    for _ in 0..10 {
        ask(&service, "m", VersionSelector::Number(2)).await.unwrap();
        ask(&service, "m", VersionSelector::Any).await.unwrap();
    }
    let now = status(&service);
    assert_eq!((now.canary.requests, now.stable.requests), (2, 8));
    assert!(now.stable.latency_p50.is_some() && now.guards.len() == 3);
}

#[tokio::test]
async fn a_model_without_a_rollout_says_so() {
    let repository = Repository::new();
    repository.sealed("m", 1, "1");
    let (service, _handle) = serve(&repository).await;
    assert!(service.rollout_status("m").unwrap().is_none());
    assert_eq!(service.rollout_status("x").unwrap_err().code(), ErrorCode::NotFound);
    for (model, told) in [("m", "it has no rollout"), ("x", "unknown model 'x'")] {
        let error = service.control_rollout(model, Command::Abort, Actor::Client).await.unwrap_err();
        assert!(error.code() == ErrorCode::NotFound && error.message().contains(told), "{error}");
    }
}
