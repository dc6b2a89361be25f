//! The runtime as a whole, over directories in which a model's file holds the number that it answers.

mod audit;
mod breaker;
mod control;
mod following;
mod loading;
mod repository;
mod rollout;
mod traffic;
mod trust;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use girandole_core::{
    BatchOutputs, DType, Error, InferRequest, LoadRequest, ModelSpec, NamedTensor, Result, Shape, Tensor,
    TensorSpec, VersionSelector,
    mock::{MockLoader, MockModel},
};

use super::{ControlMode, LoadPriority, Runtime, RuntimeHandle, RuntimeOptions};
use crate::{
    repository::seal,
    service::{IndexEntry, Service, VersionState},
    snapshot::Snapshot,
};

/// No test takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A model that answers each row with the number in its file. The file may also say `bad` or `panic`, or
/// `fails`: that model loads, and answers nothing.
fn load(request: &LoadRequest) -> Result<MockModel> {
    let text =
        request.files.model().and_then(io::read_to_string).map_err(|e| Error::invalid(e.to_string()))?;
    let number: Option<i64> = match text.trim() {
        "panic" => panic!("as asked"),
        "fails" => None,
        text => Some(text.parse().map_err(|_| Error::invalid(format!("'{text}' is no model")))?),
    };
    let spec = ModelSpec {
        inputs: vec![TensorSpec::new("x", DType::I64, &[-1, 1])],
        outputs: vec![TensorSpec::new("y", DType::I64, &[-1, 1])],
        max_batch_size: 1,
    };
    let answer = move |batch: &girandole_core::Batch| {
        let number = number.ok_or_else(|| Error::internal("as asked"))?;
        let data = number.to_le_bytes().repeat(batch.rows);
        let tensor = Tensor::new(DType::I64, Shape::new(&[batch.rows, 1]), Bytes::from(data))?;
        Ok(BatchOutputs { tensors: vec![tensor; batch.outputs.len()], ..BatchOutputs::default() })
    };
    Ok(MockModel::new(spec, Arc::new(answer)))
}

/// A repository in a directory of its own.
struct Repository(tempfile::TempDir);

impl Repository {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    /// Writes a file, so that nobody sees half of it.
    fn write(&self, path: &str, text: &str) {
        let target = self.0.path().join(path);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        let draft = self.0.path().join(".draft");
        fs::write(&draft, text).unwrap();
        fs::rename(draft, target).unwrap();
    }

    /// Adds a version that is complete as soon as it is there.
    fn sealed(&self, model: &str, version: u64, text: &str) {
        let draft = self.0.path().join(".new");
        fs::create_dir_all(&draft).unwrap();
        fs::write(draft.join("model.onnx"), text).unwrap();
        seal(&draft, None).unwrap();
        let target = self.0.path().join(model).join(version.to_string());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::rename(draft, target).unwrap();
    }

    /// Puts other files in the place of a version's.
    fn replace(&self, model: &str, version: u64, text: &str) {
        let target = self.0.path().join(model).join(version.to_string());
        fs::rename(&target, self.0.path().join(".old")).unwrap();
        self.sealed(model, version, text);
        fs::remove_dir_all(self.0.path().join(".old")).unwrap();
    }

    fn remove(&self, path: &str) {
        // Renamed first, so that it goes at once.
        let gone = self.0.path().join(".gone");
        fs::rename(self.0.path().join(path), &gone).unwrap();
        fs::remove_dir_all(gone).unwrap();
    }
}

/// Options under which nothing waits for time to pass.
fn options(root: &Path, control_mode: ControlMode) -> RuntimeOptions {
    RuntimeOptions {
        repositories: vec![root.to_owned()],
        control_mode,
        poll_interval: Duration::from_millis(20),
        settle_time: Duration::from_secs(3600),
        cores: 2,
        // What nobody else wants is nothing for as long as other tests compute.
        load_priority: LoadPriority::Low,
        ..RuntimeOptions::default()
    }
}

fn explicit(models: &[&str]) -> ControlMode {
    ControlMode::Explicit { load_models: models.iter().map(|&name| name.to_owned()).collect() }
}

async fn start(options: RuntimeOptions) -> (Service, RuntimeHandle) {
    let (service, handle) = Runtime::start(options, Arc::new(MockLoader(Arc::new(load)))).unwrap();
    until(&handle, |snapshot| snapshot.idle).await;
    (service, handle)
}

async fn until(handle: &RuntimeHandle, wanted: impl FnMut(&Snapshot) -> bool) {
    tokio::time::timeout(PATIENCE, handle.wait_until(wanted)).await.expect("it never came to that");
}

/// Waits until these versions of the model serve, no more and no fewer.
async fn until_serving(handle: &RuntimeHandle, model: &str, versions: &[u64]) {
    until(handle, |snapshot| {
        let serving =
            snapshot.models.get(model).map(|model| model.versions.keys().copied().collect::<Vec<_>>());
        serving.unwrap_or_default() == versions
    })
    .await;
}

fn request(model: &str, version: VersionSelector) -> Result<InferRequest> {
    let x = Tensor::new(DType::I64, Shape::new(&[1, 1]), Bytes::from_static(&[0; 8]))?;
    let inputs = vec![NamedTensor::new("x", x)];
    Ok(InferRequest { model: model.to_owned(), version, inputs, ..InferRequest::default() })
}

/// What the model answers.
async fn ask(service: &Service, model: &str, version: VersionSelector) -> Result<i64> {
    let response = service.infer(request(model, version)?).await?;
    let data = response.outputs[0].tensor.data().first_chunk::<8>().copied().unwrap();
    Ok(i64::from_le_bytes(data))
}

fn index(service: &Service, model: &str, version: u64) -> IndexEntry {
    let entries = service.repository_index(false);
    entries.into_iter().find(|entry| entry.name == model && entry.version == Some(version)).unwrap()
}

fn state(service: &Service, model: &str, version: u64) -> Option<VersionState> {
    index(service, model, version).state
}
