//! `girandole seal`: writes SHA256SUMS into versions' folders.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use girandole_runtime::repository;
use girandole_seal::SigningKey;

use zeroize::Zeroizing;

use super::{Failure, Outcome};
use crate::cli::SealOptions;

pub(crate) fn run(options: &SealOptions) -> Outcome {
    let key = options.sign.as_deref().map(signing_key).transpose()?;
    let done = if key.is_some() { "sealed and signed" } else { "sealed" };
    for folder in &options.folder {
        for version in versions(folder)? {
            let digests = repository::seal(&version, key.as_ref())?;
            println!("{done} {}: {} files", version.display(), digests.len());
        }
    }
    Ok(ExitCode::SUCCESS)
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

fn is_version(folder: &Path) -> bool {
    let canonical = folder.canonicalize();
    let name = canonical.as_deref().unwrap_or(folder).file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| {
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
        run(&SealOptions { folder: vec![model.path().to_owned()], sign: None }).unwrap();
        assert!(model.path().join("1/SHA256SUMS").is_file());
        assert!(model.path().join("2/SHA256SUMS").is_file());
        assert!(!model.path().join("notes/SHA256SUMS").exists());
    }

    #[test]
    fn a_folder_without_versions_is_an_error() {
        let empty = tempfile::tempdir().unwrap();
        assert!(run(&SealOptions { folder: vec![empty.path().to_owned()], sign: None }).is_err());
    }
}
