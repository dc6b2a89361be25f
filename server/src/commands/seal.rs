//! `girandole seal`: writes SHA256SUMS into versions' folders.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use girandole_runtime::repository::{self, Signing, VersionName, is_model_name};
use girandole_seal::SigningKey;
use zeroize::Zeroizing;

use super::{Failure, Outcome, output::say};
use crate::cli::SealOptions;

pub(crate) fn run(options: &SealOptions) -> Outcome {
    for folder in &options.folder {
        for version in versions(folder)? {
            let signing = options.sign.as_deref().map(|key| signing(options, key, &version)).transpose()?;
            let digests = repository::seal(&version, signing.as_ref())?;
            say!("{} {}: {} files", done(signing.as_ref()), version.display(), digests.len());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn done(signing: Option<&Signing>) -> String {
    match signing.map(|signing| &signing.name) {
        None => "sealed".to_owned(),
        Some(None) => "sealed and signed, as any version of any model,".to_owned(),
        Some(Some(name)) => format!("sealed and signed as {name}"),
    }
}

fn signing(options: &SealOptions, key: &Path, version: &Path) -> Result<Signing, Failure> {
    let name = (!options.any_name).then(|| name(options.model.as_deref(), version)).transpose()?;
    Ok(Signing { key: signing_key(key)?, name })
}

/// What a version is signed as: its folder's number, and the model that was said or whose folder it is in.
fn name(model: Option<&str>, version: &Path) -> Result<VersionName, Failure> {
    let path = version.canonicalize()?;
    let model = model.or(path.parent().and_then(file_name)).unwrap_or_default();
    match file_name(&path).and_then(|name| name.parse().ok()) {
        Some(version) if is_model_name(model) => Ok(VersionName { model: model.to_owned(), version }),
        _ => Err(Failure::new(format!(
            "{}: '{model}' cannot be a model's name; say as which model it is signed with --model NAME, or \
             --any-name",
            version.display()
        ))),
    }
}

fn signing_key(path: &Path) -> Result<SigningKey, Failure> {
    let pem =
        Zeroizing::new(fs::read(path).map_err(|error| Failure::new(format!("{}: {error}", path.display())))?);
    Ok(SigningKey::from_pem(&pem).map_err(|error| error.context(path.display()))?)
}

/// The versions' folders in a model's folder, or the folder itself where it is one version's.
fn versions(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    if is_version(folder) {
        return Ok(vec![folder.to_owned()]);
    }
    let entries =
        fs::read_dir(folder).map_err(|error| Failure::new(format!("{}: {error}", folder.display())))?;
    let mut versions: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir() && is_version(path))
        .collect();
    versions.sort();
    if versions.is_empty() {
        let folder = folder.display();
        return Err(Failure::new(format!("{folder} is no version's folder (a number) and holds none")));
    }
    Ok(versions)
}

fn file_name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

fn is_version(folder: &Path) -> bool {
    let canonical = folder.canonicalize();
    file_name(canonical.as_deref().unwrap_or(folder)).is_some_and(|name| {
        name.parse::<u64>().is_ok_and(|version| version > 0 && version.to_string() == name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_seals_all_its_versions() {
        let model = tempfile::tempdir().unwrap();
        for version in ["1", "2", "notes"] {
            fs::create_dir(model.path().join(version)).unwrap();
            fs::write(model.path().join(version).join("model.onnx"), version).unwrap();
        }
        run(&SealOptions { folder: vec![model.path().to_owned()], ..SealOptions::default() }).unwrap();
        assert!(model.path().join("1/SHA256SUMS").is_file());
        assert!(model.path().join("2/SHA256SUMS").is_file());
        assert!(!model.path().join("notes/SHA256SUMS").exists());
    }

    #[test]
    fn a_folder_without_versions_is_an_error() {
        let empty = tempfile::tempdir().unwrap();
        assert!(
            run(&SealOptions { folder: vec![empty.path().to_owned()], ..SealOptions::default() }).is_err()
        );
    }

    #[test]
    fn a_version_is_signed_as_what_its_folders_say_unless_another_model_is_said() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["churn/3", ".draft/3"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        let named = |folder: &str, model| {
            let name = name(model, &root.path().join(folder));
            name.map(|name| name.to_string()).map_err(|failure| failure.to_string())
        };
        assert_eq!(named("churn/3", None), Ok("version 3 of model 'churn'".into()));
        assert_eq!(named("churn/../churn/3", Some("loss")), Ok("version 3 of model 'loss'".into()));
        assert!(named(".draft/3", None).unwrap_err().contains("'.draft' cannot be a model's name"));
        assert!(named("churn/3", Some("../x")).is_err());
    }
}
