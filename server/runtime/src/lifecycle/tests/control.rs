//! Explicit loading and unloading, readiness, and the end.

use girandole_core::ErrorCode;

use super::*;
use crate::service::LoadOverride;

#[tokio::test]
async fn a_model_is_loaded_and_unloaded_by_request() {
    let repository = Repository::new();
    repository.write("m/1/model.onnx", "7");
    let (service, handle) = start(options(&repository.path(), explicit(&[]))).await;
    assert!(service.is_ready());
    until(&handle, |snapshot| snapshot.models.contains_key("m")).await;
    assert_eq!(service.repository_index(false)[0].state, None);
    assert_eq!(ask(&service, "m", VersionSelector::Any).await.unwrap_err().code(), ErrorCode::Unavailable);

    service.load_model("m", LoadOverride::default()).await.unwrap();
    assert_eq!(ask(&service, "m", VersionSelector::Any).await.unwrap(), 7);
    assert_eq!(service.model_metadata("m", &VersionSelector::Any).unwrap().versions, [1]);
    assert_eq!(service.repository_index(true).len(), 1);

    service.unload_model("m").await.unwrap();
    assert!(!service.model_ready("m", &VersionSelector::Any).unwrap());
    until(&handle, |snapshot| snapshot.models["m"].states[&1].state == VersionState::Unavailable).await;
    assert!(index(&service, "m", 1).reason.contains("unloaded"));
}

#[tokio::test]
async fn what_nobody_has_is_not_found() {
    let repository = Repository::new();
    let (service, _handle) = start(options(&repository.path(), explicit(&[]))).await;
    for name in ["none", "../etc", ""] {
        let error = service.load_model(name, LoadOverride::default()).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::NotFound, "{name}: {error}");
        assert_eq!(service.unload_model(name).await.unwrap_err().code(), ErrorCode::NotFound);
    }
    assert_eq!(service.repository_index(false), []);
}

#[tokio::test]
async fn no_load_begins_for_a_name_that_no_model_can_have() {
    let repository = Repository::new();
    let (service, _handle) = start(options(&repository.path(), explicit(&[]))).await;
    for name in ["null,null", "../etc", ".hidden", ""] {
        let error = service.load_model(name, LoadOverride::default()).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::NotFound);
        assert_eq!(error.message(), format!("unknown model '{name}'"), "not that of a load");
    }
}

#[tokio::test]
async fn loading_by_request_needs_the_explicit_mode() {
    let repository = Repository::new();
    let (service, _handle) = start(options(&repository.path(), ControlMode::None)).await;
    let error = service.load_model("m", LoadOverride::default()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unimplemented);
}

#[tokio::test]
async fn a_configuration_given_with_a_load_replaces_the_files() {
    let repository = Repository::new();
    repository.write("m/1/model.onnx", "7");
    repository.write("m/config.pbtxt", "max_batch_size: 2");
    let (service, _handle) = start(options(&repository.path(), explicit(&["m"]))).await;
    let rows = |service: &Service| service.model_config("m", &VersionSelector::Any).unwrap().max_batch_size;
    assert_eq!(rows(&service), Some(2));
    let config = Some(r#"{"max_batch_size": 5}"#.to_owned());
    service.load_model("m", LoadOverride { config }).await.unwrap();
    assert_eq!(rows(&service), Some(5));
    let wrong = LoadOverride { config: Some(r#"{"max_batch_sise": 5}"#.to_owned()) };
    let error = service.load_model("m", wrong).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
    assert!(error.message().contains("max_batch_sise"), "{error}");
    assert_eq!(rows(&service), Some(5));
    service.load_model("m", LoadOverride::default()).await.unwrap();
    assert_eq!(rows(&service), Some(2));
}

#[tokio::test]
async fn the_server_is_ready_when_every_initial_model_serves() {
    let repository = Repository::new();
    repository.write("good/1/model.onnx", "1");
    repository.write("late/1/model.onnx", "bad");
    let (service, handle) = start(options(&repository.path(), explicit(&["*"]))).await;
    assert!(!service.is_ready());
    assert!(index(&service, "late", 1).reason.contains("'bad' is no model"));
    repository.write("late/1/model.onnx", "2");
    service.load_model("late", LoadOverride::default()).await.unwrap();
    assert!(service.is_ready());
    handle.withdraw_readiness();
    assert!(!service.is_ready());
    assert_eq!(ask(&service, "late", VersionSelector::Any).await.unwrap(), 2);
}

#[tokio::test]
async fn an_engine_that_panics_fails_one_version() {
    let repository = Repository::new();
    repository.write("m/1/model.onnx", "1");
    repository.write("m/2/model.onnx", "panic");
    repository.write("m/config.pbtxt", "version_policy { all { } }");
    let (service, _handle) = start(options(&repository.path(), explicit(&["m"]))).await;
    assert_eq!(state(&service, "m", 2), Some(VersionState::Unavailable));
    assert_eq!(ask(&service, "m", VersionSelector::Number(1)).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_under_load_fail_nothing_and_mix_nothing() {
    let repository = Repository::new();
    repository.write("m/1/model.onnx", "0");
    let (service, _handle) = start(options(&repository.path(), explicit(&["m"]))).await;
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let clients = (0..8).map(|_| {
        let (service, stop) = (service.clone(), stop.clone());
        tokio::spawn(async move {
            let mut last = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let answer = ask(&service, "m", VersionSelector::Any).await.unwrap();
                assert!(answer >= last, "an older version answered after a newer one");
                last = answer;
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    for number in 1..=30 {
        repository.write("m/1/model.onnx", &number.to_string());
        service.load_model("m", LoadOverride::default()).await.unwrap();
        assert_eq!(ask(&service, "m", VersionSelector::Any).await.unwrap(), number);
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_closes_everything() {
    let repository = Repository::new();
    repository.write("m/1/model.onnx", "0");
    let unloaded = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = unloaded.clone();
    let mut options = options(&repository.path(), explicit(&["m"]));
    options.on_unloaded = Some(Arc::new(move || {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }));
    let (service, handle) = start(options).await;
    assert!(handle.shutdown(PATIENCE).await);
    assert_eq!(unloaded.load(std::sync::atomic::Ordering::Relaxed), 1);
    assert!(!service.is_ready());
    assert_eq!(ask(&service, "m", VersionSelector::Any).await.unwrap_err().code(), ErrorCode::Unavailable);
    let error = service.load_model("m", LoadOverride::default()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable);
}
