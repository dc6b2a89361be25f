//! Models in safetensors: what transformers and PyTorch answer (tests/models/export_safetensors.py), and what is
//! refused.

mod answers;
mod described;
mod mutation;
mod refused;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use girandole_core::{Error, Folder, Format, LoadOptions, LoadRequest, Loader, Model};
use girandole_engine::Engine;

/// The models as they were saved.
fn saved() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/safetensors")
}

/// The model's file in a folder.
fn file(folder: &Path) -> PathBuf {
    let there = Format::FILE_NAMES.map(|name| folder.join(name)).into_iter().find(|path| path.is_file());
    there.unwrap_or_else(|| panic!("{} holds no model", folder.display()))
}

fn load(folder: &Path) -> Result<Arc<dyn Model>, Error> {
    let files = Arc::new(Folder::of(file(folder)));
    let options = LoadOptions::default();
    Engine.load(&LoadRequest { name: "m".into(), version: 1, files, options })
}

/// A copy of a saved model that a test may change, in a folder of a folder.
struct Copy(tempfile::TempDir);

impl Copy {
    fn of(name: &str) -> Self {
        let copy = tempfile::tempdir().unwrap();
        copy_all(&saved().join(name), &copy.path().join("1"));
        Self(copy)
    }

    fn folder(&self) -> PathBuf {
        self.0.path().join("1")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        fs::write(self.path(name), contents).unwrap();
    }

    /// Puts one text in the place of another in a file.
    #[track_caller]
    fn replace(&self, name: &str, from: &str, to: &str) {
        let text = String::from_utf8(self.read(name)).unwrap();
        assert!(text.contains(from), "'{from}' is not in {text}");
        self.write(name, text.replacen(from, to, 1));
    }

    fn load(&self) -> Result<Arc<dyn Model>, Error> {
        load(&self.folder())
    }
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_all(&path, &target);
        } else {
            fs::copy(path, target).unwrap();
        }
    }
}
