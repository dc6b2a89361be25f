//! The poll mode: what changes in the repository changes what serves.

use super::*;

#[tokio::test]
async fn versions_come_and_go_with_their_files() {
    let repository = Repository::new();
    repository.sealed("m", 1, "1");
    let (service, handle) = start(options(&repository.path(), ControlMode::Poll)).await;
    assert!(service.is_ready());
    repository.sealed("m", 2, "2");
    until_serving(&handle, "m", &[2]).await;
    assert_eq!(ask(&service, "m", VersionSelector::Any).await.unwrap(), 2);
    repository.remove("m/2");
    until_serving(&handle, "m", &[1]).await;
    repository.remove("m");
    until_serving(&handle, "m", &[]).await;
    assert!(ask(&service, "m", VersionSelector::Any).await.is_err());
    assert!(service.is_ready());
}

#[tokio::test]
async fn changed_files_and_changed_configurations_reload() {
    let repository = Repository::new();
    repository.sealed("m", 1, "1");
    let (service, handle) = start(options(&repository.path(), ControlMode::Poll)).await;
    repository.replace("m", 1, "10");
    until(&handle, |snapshot| snapshot.idle && snapshot.models["m"].states[&1].state == VersionState::Ready)
        .await;
    tokio::time::timeout(PATIENCE, async {
        while ask(&service, "m", VersionSelector::Any).await.ok() != Some(10) {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    repository.write("m/config.pbtxt", "max_batch_size: 3");
    until(&handle, |snapshot| {
        let version = snapshot.models["m"].versions.get(&1);
        version.is_some_and(|version| version.settings.spec.max_batch_size == 3)
    })
    .await;
}

#[tokio::test]
async fn a_failed_load_keeps_what_serves_and_is_tried_again_when_files_change() {
    let repository = Repository::new();
    repository.sealed("m", 1, "1");
    let (service, handle) = start(options(&repository.path(), ControlMode::Poll)).await;
    repository.sealed("m", 2, "bad");
    until(&handle, |snapshot| snapshot.models["m"].states.contains_key(&2) && snapshot.idle).await;
    assert_eq!(state(&service, "m", 2), Some(VersionState::Unavailable));
    assert!(index(&service, "m", 2).reason.contains("'bad' is no model"));
    assert_eq!(ask(&service, "m", VersionSelector::Any).await.unwrap(), 1);
    repository.replace("m", 2, "2");
    until_serving(&handle, "m", &[2]).await;
}

#[tokio::test]
async fn a_configuration_that_does_not_parse_keeps_what_serves() {
    let repository = Repository::new();
    repository.sealed("m", 1, "1");
    let (service, handle) = start(options(&repository.path(), ControlMode::Poll)).await;
    repository.write("m/config.pbtxt", "max_batch_sise: 3");
    until(&handle, |snapshot| snapshot.models["m"].problem.is_some()).await;
    assert!(index(&service, "m", 1).reason.contains("'max_batch_sise'"));
    assert_eq!(ask(&service, "m", VersionSelector::Any).await.unwrap(), 1);
}

#[tokio::test]
async fn a_half_written_version_is_not_taken() {
    let repository = Repository::new();
    repository.sealed("m", 1, "1");
    let (service, handle) = start(options(&repository.path(), ControlMode::Poll)).await;
    repository.write("m/2/model.onnx", "2");
    // A scan that takes this one has seen the other too.
    repository.sealed("marker", 1, "1");
    until_serving(&handle, "marker", &[1]).await;
    assert_eq!(ask(&service, "m", VersionSelector::Any).await.unwrap(), 1);
    let dir = repository.path().join("m/2");
    seal(&dir, None).unwrap();
    until_serving(&handle, "m", &[2]).await;
}

#[tokio::test]
async fn what_stays_as_it_is_settles() {
    let repository = Repository::new();
    let mut options = options(&repository.path(), ControlMode::Poll);
    options.settle_time = Duration::from_millis(30);
    let (service, handle) = start(options).await;
    repository.write("m/1/model.onnx", "1");
    until_serving(&handle, "m", &[1]).await;
    assert_eq!(ask(&service, "m", VersionSelector::Any).await.unwrap(), 1);
}

#[tokio::test]
async fn an_unreachable_repository_keeps_serving() {
    let parent = tempfile::tempdir().unwrap();
    let (root, away) = (parent.path().join("root"), parent.path().join("away"));
    fs::create_dir_all(root.join("m/1")).unwrap();
    fs::write(root.join("m/1/model.onnx"), "1").unwrap();
    seal(&root.join("m/1"), None).unwrap();
    let (service, handle) = start(options(&root, ControlMode::Poll)).await;
    fs::rename(&root, &away).unwrap();
    until(&handle, |snapshot| snapshot.unreachable.is_some()).await;
    let mut scans = handle.shared.published.subscribe();
    for _ in 0..3 {
        tokio::time::timeout(PATIENCE, scans.changed()).await.unwrap().unwrap();
    }
    assert_eq!(ask(&service, "m", VersionSelector::Any).await.unwrap(), 1);
    assert!(service.is_ready());
    let shown = index(&service, "m", 1);
    assert_eq!(shown.state, Some(VersionState::Ready));
    assert!(shown.reason.contains("model repository 1 cannot be read"), "{shown:?}");
    fs::rename(&away, &root).unwrap();
    fs::rename(root.join("m"), root.join("n")).unwrap();
    until_serving(&handle, "n", &[1]).await;
    until_serving(&handle, "m", &[]).await;
    assert_eq!(index(&service, "n", 1).reason, "");
}

#[tokio::test]
async fn files_that_are_written_while_they_are_read_are_not_taken() {
    let repository = Repository::new();
    repository.write("m/1/model.onnx", "1");
    let file = repository.path().join("m/1/model.onnx");
    let writes = std::sync::Mutex::new(["22", "333"].into_iter());
    let torn = move |request: &LoadRequest| {
        let model = load(request);
        // Somebody writes before the engine is done.
        let text = writes.lock().unwrap().next();
        text.into_iter().for_each(|text| fs::write(&file, text).unwrap());
        model
    };
    let mut options = options(&repository.path(), ControlMode::Poll);
    options.settle_time = Duration::ZERO;
    let loader = Arc::new(MockLoader(Arc::new(torn)));
    let (service, handle) = Runtime::start(options, loader).unwrap();
    until_serving(&handle, "m", &[1]).await;
    assert_eq!(ask(&service, "m", VersionSelector::Any).await.unwrap(), 333);
}
