//! Versions that are not what was sealed, signed or encrypted change nothing of what serves.

use girandole_seal::{KeySource, ModelKeys};

use super::*;
use crate::repository::{Trust, encrypt};

#[tokio::test]
async fn an_encrypted_version_that_cannot_be_read_keeps_what_serves() {
    let repository = Repository::new();
    let (right, wrong) = ("a".repeat(64), "b".repeat(64));
    let encrypted = |version: u64, text: &str, key: &str| {
        repository.write(".clear/model.onnx", text);
        let out = repository.path().join(format!("m/{version}"));
        fs::create_dir_all(out.parent().unwrap()).unwrap();
        encrypt(&repository.path().join(".clear"), &out, ModelKeys::parse(key).unwrap().newest()).unwrap();
        seal(&out, None).unwrap();
    };
    encrypted(1, "1", &right);
    let keys = tempfile::NamedTempFile::new().unwrap();
    fs::write(keys.path(), &right).unwrap();
    let trust = Trust { model_keys: Some(KeySource::File(keys.path().to_owned())), ..Trust::default() };
    let options = RuntimeOptions { trust, ..options(&repository.path(), ControlMode::Poll) };
    let (service, handle) = start(options).await;
    assert_eq!(ask(&service, "m", VersionSelector::Any).await.unwrap(), 1);
    encrypted(2, "2", &wrong);
    until(&handle, |snapshot| snapshot.models["m"].states.contains_key(&2) && snapshot.idle).await;
    assert!(index(&service, "m", 2).reason.contains("it is encrypted with the key"));
    assert_eq!(ask(&service, "m", VersionSelector::Any).await.unwrap(), 1);
    // The file of keys is read when there is something to load.
    fs::write(keys.path(), format!("{right}\n{wrong}")).unwrap();
    encrypted(3, "3", &wrong);
    until_serving(&handle, "m", &[3]).await;
}

#[tokio::test]
async fn a_version_that_is_swapped_while_it_loads_does_not_serve() {
    let repository = Repository::new();
    repository.sealed("m", 1, "1");
    let root = repository.path();
    let swapped = move |request: &LoadRequest| {
        fs::rename(root.join("m/1"), root.join(".good")).unwrap();
        fs::create_dir(root.join("m/1")).unwrap();
        fs::write(root.join("m/1/model.onnx"), "9").unwrap();
        let model = load(request);
        // Nobody who compares names, lengths and times will notice.
        fs::remove_dir_all(root.join("m/1")).unwrap();
        fs::rename(root.join(".good"), root.join("m/1")).unwrap();
        model
    };
    let loader = Arc::new(MockLoader(Arc::new(swapped)));
    let (service, handle) = Runtime::start(options(&repository.path(), ControlMode::None), loader).unwrap();
    until(&handle, |snapshot| snapshot.idle).await;
    assert!(index(&service, "m", 1).reason.contains("changed after its digest was checked"));
}
