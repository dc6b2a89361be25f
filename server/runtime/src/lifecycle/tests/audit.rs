//! What a witness is told of: every change of versions and traffic, by whom, with digests.

use std::sync::{Mutex, mpsc};

use girandole_core::{
    ErrorCode,
    audit::{Actor, Change, Witness},
};

use super::*;
use crate::{rollout::Command, service::SetWeights, traffic::Expected};

#[derive(Default)]
pub(super) struct Notes(Mutex<Vec<(Actor, Change)>>);

impl Witness for Notes {
    fn record(&self, who: &Actor, change: Change) {
        self.0.lock().unwrap().push((who.clone(), change));
    }
}

impl Notes {
    /// What was told of since last time: who, what, which versions, whether there is a digest before and after.
    pub(super) fn take(&self) -> Vec<(String, &'static str, Vec<u64>, [bool; 2])> {
        let notes = std::mem::take(&mut *self.0.lock().unwrap());
        let told = notes.into_iter().map(|(who, change)| {
            let digests = [&change.before, &change.after].map(|digest| digest.is_some());
            (who.to_string(), change.what.name(), change.versions, digests)
        });
        told.collect()
    }
}

pub(super) fn witnessed(root: &Path, mode: ControlMode) -> (RuntimeOptions, Arc<Notes>) {
    let notes = Arc::new(Notes::default());
    let options =
        RuntimeOptions { settle_time: Duration::ZERO, witness: Some(notes.clone()), ..options(root, mode) };
    (options, notes)
}

pub(super) fn told(
    who: &str,
    what: &'static str,
    versions: &[u64],
    digests: [bool; 2],
) -> (String, &'static str, Vec<u64>, [bool; 2]) {
    (who.to_owned(), what, versions.to_vec(), digests)
}

fn weights(of: &[(&str, f64)], expected: Expected) -> SetWeights {
    let weights = of.iter().map(|&(name, weight)| (name.to_owned(), weight)).collect();
    let who = Actor::Token { name: "ops".to_owned(), peer: ([127, 0, 0, 1], 9).into() };
    SetWeights { weights, expected, who }
}

#[tokio::test]
async fn versions_come_and_go_by_whoever_writes_the_repository() {
    let repository = Repository::new();
    repository.sealed("m", 1, "1");
    let (options, notes) = witnessed(&repository.path(), ControlMode::Poll);
    let (_service, handle) = start(options).await;
    assert_eq!(notes.take(), [told("repository", "version_loaded", &[1], [false, true])]);
    repository.sealed("m", 2, "bad");
    until(&handle, |snapshot| snapshot.models["m"].states.contains_key(&2) && snapshot.idle).await;
    assert_eq!(notes.take(), [told("repository", "version_failed", &[2], [false, false])]);
    repository.replace("m", 1, "7");
    repository.replace("m", 2, "8");
    until_serving(&handle, "m", &[2]).await;
    let seen = notes.take();
    assert!(seen.contains(&told("repository", "version_loaded", &[2], [false, true])), "{seen:?}");
    assert!(seen.contains(&told("repository", "version_unloaded", &[1], [true, false])), "{seen:?}");
    handle.shutdown(PATIENCE).await;
    assert_eq!(notes.take(), [told("server", "version_unloaded", &[2], [true, false])]);
}

#[tokio::test]
async fn callers_loads_are_theirs_and_unknown_names_are_no_changes() {
    let repository = Repository::new();
    repository.sealed("m", 1, "1");
    let (options, notes) = witnessed(&repository.path(), explicit(&[]));
    let (service, _handle) = start(options).await;
    service.load_model("m", Default::default()).await.unwrap();
    assert!(service.load_model("nobody", Default::default()).await.is_err());
    service.unload_model("m").await.unwrap();
    let expected = [
        told("client", "version_loaded", &[1], [false, true]),
        told("client", "version_unloaded", &[1], [true, false]),
    ];
    assert_eq!(notes.take(), expected);
}

#[tokio::test]
async fn weights_that_are_set_apply_at_once_in_every_mode() {
    for mode in [ControlMode::None, ControlMode::Poll, explicit(&["m"])] {
        let repository = Repository::new();
        repository.sealed("m", 1, "1");
        repository.sealed("m", 2, "2");
        repository
            .write("m/traffic.toml", "[labels]\nstable = 2\n[split]\nweights = { stable = 1 } # ours\n");
        let (options, notes) = witnessed(&repository.path(), mode);
        let (service, handle) = start(options).await;
        until_serving(&handle, "m", &[2]).await;
        notes.take();
        let read = service.traffic_status("m").await.unwrap().digest.unwrap().to_string();
        let set = weights(&[("stable", 0.0), ("1", 1.0)], Expected::Digest(read.clone()));
        service.set_weights("m", set.clone()).await.unwrap();
        until_serving(&handle, "m", &[1, 2]).await;
        assert_eq!(ask(&service, "m", VersionSelector::Any).await, Ok(1));
        let seen = notes.take();
        assert_eq!(seen[0], told("ops", "weights_set", &[], [true, true]));
        assert_eq!(seen[1], told("ops", "traffic_applied", &[1, 2], [true, true]));
        assert!(seen.contains(&told("ops", "version_loaded", &[1], [false, true])), "{seen:?}");
        let stale = service.set_weights("m", set).await.unwrap_err();
        assert_eq!(stale.code(), ErrorCode::FailedPrecondition, "{stale}");
        let wrong = weights(&[("nobody", 1.0)], Expected::Anything);
        assert_eq!(service.set_weights("m", wrong).await.unwrap_err().code(), ErrorCode::InvalidArgument);
        assert_eq!(notes.take(), [], "what was refused changed nothing");
        let text = fs::read_to_string(repository.path().join("m/traffic.toml")).unwrap();
        assert!(text.ends_with("weights = { stable = 0, 1 = 1 } # ours\n"), "{text}");
        let status = service.traffic_status("m").await.unwrap();
        assert_eq!(status.digest, status.routes.digest);
        let of_one = status.arms.iter().find(|arm| &*arm.name == "1").unwrap();
        assert_eq!((of_one.version, of_one.requests, of_one.errors), (Some(1), 1, 0));
        assert!(of_one.p50.is_some() && of_one.share == 1.0);
    }
}

#[tokio::test]
async fn what_was_looked_at_before_a_write_does_not_take_it_back() {
    let repository = Repository::new();
    repository.sealed("m", 1, "1");
    repository.sealed("m", 2, "2");
    repository.write("m/traffic.toml", "[split]\nweights = { 1 = 1, 2 = 0 }\n");
    let (open, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    // Version 3 is being loaded until the gate opens.
    let gated = move |request: &LoadRequest| {
        if request.version == 3 {
            gate.lock().unwrap().recv().unwrap();
        }
        load(request)
    };
    let options = options(&repository.path(), explicit(&["m"]));
    let (service, handle) = Runtime::start(options, Arc::new(MockLoader(Arc::new(gated)))).unwrap();
    until_serving(&handle, "m", &[1, 2]).await;
    repository.sealed("m", 3, "3");
    let loading = tokio::spawn({
        let service = service.clone();
        async move { service.load_model("m", Default::default()).await }
    });
    until(&handle, |snapshot| snapshot.models["m"].states.contains_key(&3)).await;
    service.set_weights("m", weights(&[("1", 0.0), ("2", 1.0)], Expected::Anything)).await.unwrap();
    assert_eq!(ask(&service, "m", VersionSelector::Any).await, Ok(2));
    open.send(()).unwrap();
    loading.await.unwrap().unwrap();
    assert_eq!(ask(&service, "m", VersionSelector::Any).await, Ok(2));
    let status = service.traffic_status("m").await.unwrap();
    assert_eq!(status.digest, status.routes.digest);
}

#[tokio::test]
async fn a_refused_file_is_told_of_and_the_one_before_applies() {
    let repository = Repository::new();
    repository.sealed("m", 1, "1");
    let (options, notes) = witnessed(&repository.path(), ControlMode::Poll);
    let (service, handle) = start(options).await;
    notes.take();
    repository.write("m/traffic.toml", "[split]\nweights = { nobody = 1 }\n");
    until(&handle, |snapshot| snapshot.models["m"].routes.refused.is_some()).await;
    assert_eq!(notes.take(), [told("repository", "traffic_refused", &[], [false, true])]);
    let status = service.traffic_status("m").await.unwrap();
    assert!(status.digest.is_some() && status.routes.digest.is_none());
}

#[tokio::test]
async fn an_overlay_outlasts_the_server_until_the_repository_says_something_else() {
    let (repository, state) = (Repository::new(), tempfile::tempdir().unwrap());
    repository.sealed("m", 1, "1");
    repository.sealed("m", 2, "2");
    let file = "[split]\nweights = { 1 = 1, 2 = 0 }\n";
    repository.write("m/traffic.toml", file);
    let base = crate::repository::sha256(file.as_bytes());
    let overlay = format!(
        "# Written by girandole, in place of the repository's traffic.toml with SHA-256 {base}\n{}",
        file.replace("1 = 1, 2 = 0", "1 = 0, 2 = 1")
    );
    fs::create_dir(state.path().join("traffic")).unwrap();
    fs::write(state.path().join("traffic/m.toml"), overlay).unwrap();
    let options = RuntimeOptions {
        state_dir: Some(state.path().to_owned()),
        settle_time: Duration::ZERO,
        ..options(&repository.path(), ControlMode::Poll)
    };
    let (service, handle) = start(options).await;
    until_serving(&handle, "m", &[1, 2]).await;
    assert_eq!(ask(&service, "m", VersionSelector::Any).await, Ok(2));
    repository.write("m/traffic.toml", &format!("{file}# and more\n"));
    let before = service.routes("m").unwrap().digest.clone();
    until(&handle, |snapshot| snapshot.models["m"].routes.digest != before).await;
    assert_eq!(ask(&service, "m", VersionSelector::Any).await, Ok(1));
    assert!(!state.path().join("traffic/m.toml").exists());
}

#[tokio::test]
async fn a_rollout_is_told_of_step_by_step_and_by_whom() {
    let repository = Repository::new();
    repository.sealed("m", 1, "1");
    repository.sealed("m", 2, "fails");
    repository.write(
        "m/traffic.toml",
        "[rollout]\nstable = 1\ncanary = 2\ninterval = \"10ms\"\nmin_samples = 50\n\
         steps = [{ set_weight = 20, pause = {} }, { set_weight = 50, pause = {} }]\n\
         guards = { error_rate = 0.05 }\n",
    );
    let (options, notes) = witnessed(&repository.path(), ControlMode::Poll);
    let (service, handle) = start(options).await;
    let at = async |weight| {
        let is = |snapshot: &Snapshot| {
            let rollout = snapshot.models["m"].routes.rollout.as_ref();
            rollout.is_some_and(|rollout| rollout.weight() == weight)
        };
        until(&handle, is).await;
    };
    at(20.0).await;
    let by_itself = |what| told("server", what, &[1, 2], [true, true]);
    assert!(notes.take().contains(&by_itself("rollout_advanced")));
    let ops = Actor::Token { name: "ops".to_owned(), peer: ([127, 0, 0, 1], 9).into() };
    for (command, what) in [
        (Command::Promote, "rollout_advanced"),
        (Command::PromoteFull, "rollout_promoted"),
        (Command::Abort, "rollout_aborted"),
        (Command::Start, "rollout_started"),
    ] {
        service.control_rollout("m", command, ops.clone()).await.unwrap();
        assert_eq!(notes.take()[0], told("ops", what, &[1, 2], [true, true]));
    }
    at(20.0).await;
    assert!(service.control_rollout("m", Command::Start, ops).await.is_err());
    assert_eq!(notes.take(), [by_itself("rollout_advanced")], "what was refused is no change");
    let rolled_back = async {
        while service.rollout_status("m").unwrap().unwrap().weight > 0.0 {
            let _ = ask(&service, "m", VersionSelector::Any).await;
        }
    };
    tokio::time::timeout(PATIENCE, rolled_back).await.unwrap();
    let tripped = told("server", "version_tripped", &[2], [true, true]);
    assert_eq!(notes.take(), [tripped, by_itself("rollout_rolled_back")]);
}
