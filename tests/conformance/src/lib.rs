//! The official ONNX backend tests (PyPI package `onnx`), run against the engine.
//!
//! A case is a folder with `model.onnx` and `test_data_set_*` of inputs and expected outputs, or a network with
//! its output beside it. What does not pass stands in `expected-failures*.txt` with its reason; an unexpected
//! pass or failure fails the suite.

pub mod case;
pub mod compare;
mod data;
pub mod expected;
pub mod place;
pub mod suite;

use std::{
    env,
    path::{Path, PathBuf},
};

/// The folder of the node tests, beside which the other suites lie: `GIRANDOLE_ONNX_CASES`, or where `tests/run` installs the package.
pub fn cases_folder() -> Option<PathBuf> {
    let given = env::var_os("GIRANDOLE_ONNX_CASES").map(PathBuf::from);
    let installed = || {
        let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv/lib");
        let pythons = library.read_dir().ok()?.filter_map(|entry| Some(entry.ok()?.path()));
        pythons
            .map(|python| python.join("site-packages/onnx/backend/test/data/node"))
            .find(|path| path.is_dir())
    };
    given.or_else(installed)
}

/// The names of the cases in a folder, sorted.
///
/// # Errors
/// Where the folder cannot be read.
pub fn case_names(folder: &Path) -> std::io::Result<Vec<String>> {
    let entries = folder.read_dir()?.collect::<std::io::Result<Vec<_>>>()?;
    let mut names: Vec<_> =
        entries.into_iter().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| folder.join(name).join("model.onnx").is_file());
    names.sort_unstable();
    Ok(names)
}
