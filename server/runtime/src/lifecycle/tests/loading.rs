//! Where a load runs, and where what it loads runs then.

use std::sync::Mutex;

use girandole_core::{ErrorCode, Model};

use super::*;
use crate::{instances, lifecycle::LoadPriority, service::LoadOverride};

/// The calling thread's.
fn niceness() -> i64 {
    rustix::process::getpriority_process(None).unwrap().into()
}

#[tokio::test]
async fn loading_and_warming_up_have_a_lower_priority_than_serving() {
    let repository = Repository::new();
    repository.write("m/1/model.onnx", "1");
    let ran = Arc::new(Mutex::new(Vec::new()));
    let load = {
        let ran = ran.clone();
        move |request: &LoadRequest| {
            let spec = load(request)?.spec().clone();
            ran.lock().unwrap().push(niceness());
            let ran = ran.clone();
            let answer = move |batch: &girandole_core::Batch| {
                ran.lock().unwrap().push(niceness());
                let tensor =
                    Tensor::new(DType::I64, Shape::new(&[1, 1]), niceness().to_le_bytes().to_vec().into())?;
                Ok(BatchOutputs { tensors: vec![tensor; batch.outputs.len()], ..BatchOutputs::default() })
            };
            Ok(MockModel::new(spec, Arc::new(answer)))
        }
    };
    let options =
        RuntimeOptions { load_priority: LoadPriority::Low, ..options(&repository.path(), ControlMode::None) };
    let (service, handle) = Runtime::start(options, Arc::new(MockLoader(Arc::new(load)))).unwrap();
    until(&handle, |snapshot| snapshot.idle).await;
    let serving = niceness() + i64::from(instances::NICENESS);
    assert_eq!(ask(&service, "m", VersionSelector::Any).await, Ok(serving));
    let ran = ran.lock().unwrap();
    let (last, before) = ran.split_last().unwrap();
    assert_eq!(*last, serving);
    assert!(before.len() >= 2 && before.iter().all(|&one| one > serving), "load and warm-up: {before:?}");
}

#[tokio::test]
async fn a_version_that_does_not_fit_is_refused_and_what_serves_goes_on() {
    let repository = Repository::new();
    repository.sealed("m", 1, "1");
    let mut options = options(&repository.path(), explicit(&["m"]));
    options.available_memory = || Some(1 << 10);
    let (service, _handle) = start(options).await;
    repository.sealed("m", 2, &format!("{:>1024}", 2));
    let refused = service.load_model("m", LoadOverride::default()).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::OutOfMemory);
    assert!(index(&service, "m", 2).reason.contains("1 MiB of files takes up to 1 MiB"), "{refused}");
    assert_eq!(ask(&service, "m", VersionSelector::Any).await, Ok(1));
}

#[tokio::test]
async fn a_load_that_takes_long_says_why_and_what_serves_goes_on() {
    let repository = Repository::new();
    repository.sealed("m", 1, "1");
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let gated = move |request: &LoadRequest| {
        if request.version == 2 {
            gate.lock().unwrap().recv().unwrap();
        }
        load(request)
    };
    let options =
        RuntimeOptions { slow_load: Duration::ZERO, ..options(&repository.path(), explicit(&["m"])) };
    let (service, handle) = Runtime::start(options, Arc::new(MockLoader(Arc::new(gated)))).unwrap();
    until_serving(&handle, "m", &[1]).await;
    repository.sealed("m", 2, "2");
    let loading = tokio::spawn({
        let service = service.clone();
        async move { service.load_model("m", LoadOverride::default()).await }
    });
    let reason = |snapshot: &Snapshot| Some(snapshot.models["m"].states.get(&2)?.reason.clone());
    until(&handle, |snapshot| reason(snapshot).is_some_and(|reason| !reason.is_empty())).await;
    let entry = index(&service, "m", 2);
    assert_eq!(entry.state, Some(VersionState::Loading));
    assert!(entry.reason.contains("--load-priority low"), "{}", entry.reason);
    assert_eq!(ask(&service, "m", VersionSelector::Any).await, Ok(1));
    open.send(()).unwrap();
    loading.await.unwrap().unwrap();
    assert_eq!(index(&service, "m", 2).reason, "");
}
