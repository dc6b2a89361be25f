//! What a target does with a file. Any panic ends the process, also one that a session would catch.

use std::{
    fs, io,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use girandole_core::{Batch, Files, Folder, LoadOptions, LoadRequest, Loader, Model, Reply, SessionOptions};
use girandole_engine::{Engine, onnx};

use crate::{described::Held, inputs, random::Random};

/// Imports the file, without a folder for external data.
pub fn import(file: &[u8]) {
    drop(onnx::import(Bytes::copy_from_slice(file), None));
}

/// Loads the file from a folder and runs one batch of made-up inputs, where the model wants small ones.
pub fn load(file: &[u8]) {
    if let Ok(model) = load_model(file) {
        run(&*model, hash(file));
    }
}

/// As [`load`], of a model in safetensors, described as [`Held`] has it.
pub fn saved(text: &[u8]) {
    let Some(files) = Held::of(text) else { return };
    if let Ok(model) = engine(Arc::new(files)) {
        run(&*model, hash(text));
    }
}

fn run(model: &dyn Model, seed: u64) {
    let mut random = Random::new(seed);
    let Some(inputs) = inputs::of(model.spec(), &mut random) else { return };
    let Ok(mut session) = model.session(&SessionOptions::default()) else { return };
    let outputs = (0..model.spec().outputs.len()).collect();
    session.run(Batch { rows: 1, inputs, outputs }, Reply::new(drop));
}

/// A number that looks random and is the same for the same file (FNV-1a).
fn hash(file: &[u8]) -> u64 {
    file.iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn load_model(file: &[u8]) -> girandole_core::Result<Arc<dyn Model>> {
    let path = folder().join("model.onnx");
    fs::write(&path, file).map_err(|error| girandole_core::Error::internal(error.to_string()))?;
    engine(Arc::new(Folder::of(path)))
}

fn engine(files: Arc<dyn Files>) -> girandole_core::Result<Arc<dyn Model>> {
    let options = LoadOptions::default();
    Engine.load(&LoadRequest { name: "fuzz".into(), version: 1, files, options })
}

/// A folder of this process, with a file of external data in it.
#[allow(clippy::expect_used)]
fn folder() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let make = || -> io::Result<PathBuf> {
            let folder = std::env::temp_dir().join(format!("girandole-fuzz-{}", std::process::id()));
            fs::create_dir_all(&folder)?;
            fs::write(folder.join("weights.bin"), [1; 4096])?;
            Ok(folder)
        };
        make().expect("a folder for models")
    })
}
