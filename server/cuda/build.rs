//! Compiles the kernels into one fat binary each, for the architectures of [`ARCHITECTURES`] and, as PTX, for
//! newer ones; writes `images.rs`, the list of them that `src/images.rs` includes. Without the feature `kernels`
//! the list is empty and nothing but Rust is needed.
// A build script says what is wrong by panicking.
#![allow(clippy::expect_used, clippy::panic)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

/// Compute capabilities, as nvcc writes them; `GIRANDOLE_CUDA_ARCHITECTURES` overrides, separated by spaces.
const ARCHITECTURES: &str = "80 86 89 90";

fn main() {
    println!("cargo::rerun-if-changed=kernels");
    println!("cargo::rerun-if-env-changed=GIRANDOLE_CUDA_ARCHITECTURES");
    for name in ["NVCC", "CUDA_HOME"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let mut lists = [Vec::new(), Vec::new()];
    if env::var_os("CARGO_FEATURE_KERNELS").is_some() {
        let architectures = architectures();
        lists[0] = compile("kernels", &targets(&architectures), &out);
        if architectures.iter().any(|architecture| architecture == "90") {
            lists[1] = compile("kernels/hopper", &["-gencode=arch=compute_90a,code=sm_90a".into()], &out);
        }
    }
    let [all, hopper] = lists
        .map(|images| images.iter().map(|path| format!("include_bytes!({path:?}),")).collect::<String>());
    let list = format!(
        "/// Every fat binary, of several kernels each; the driver picks the part that fits its device.\n\
         pub(crate) const ALL: &[&[u8]] = &[{all}];\n\
         /// Those for Hopper alone.\n\
         pub(crate) const HOPPER: &[&[u8]] = &[{hopper}];\n"
    );
    fs::write(out.join("images.rs"), list).expect("OUT_DIR is written to");
}

/// The fat binary of every kernel file in a folder.
fn compile(folder: &str, targets: &[String], out: &Path) -> Vec<PathBuf> {
    let nvcc = nvcc();
    let mut sources: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the kernels' folder is read")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "cu"))
        .collect();
    sources.sort();
    let workers: Vec<_> = sources
        .into_iter()
        .map(|source| {
            let (nvcc, targets, out) = (nvcc.clone(), targets.to_owned(), out.to_owned());
            thread::spawn(move || compile_one(&nvcc, &source, &targets, &out))
        })
        .collect();
    workers.into_iter().map(|worker| worker.join().expect("a kernel did not compile")).collect()
}

fn compile_one(nvcc: &Path, source: &Path, targets: &[String], out: &Path) -> PathBuf {
    let mut image = out.join(source.file_name().expect("a kernel's file has a name"));
    image.set_extension("fatbin");
    let status = Command::new(nvcc)
        .args(["-O3", "-std=c++17", "-fatbin", "--compress-mode=size"])
        .args(targets)
        .arg("-o")
        .args([&image, source])
        .status()
        .unwrap_or_else(|error| panic!("{} cannot be run: {error}", nvcc.display()));
    assert!(status.success(), "nvcc refused {}", source.display());
    image
}

fn architectures() -> Vec<String> {
    let all = env::var("GIRANDOLE_CUDA_ARCHITECTURES").unwrap_or_else(|_| ARCHITECTURES.into());
    all.split_whitespace().map(str::to_owned).collect()
}

/// Machine code for each, and for newer devices the last one's PTX.
fn targets(architectures: &[String]) -> Vec<String> {
    let machine = architectures.iter().map(|arch| format!("-gencode=arch=compute_{arch},code=sm_{arch}"));
    let newest = architectures.last().map(|arch| format!("-gencode=arch=compute_{arch},code=compute_{arch}"));
    machine.chain(newest).collect()
}

/// `$NVCC`, `$CUDA_HOME/bin/nvcc`, or the first on the path.
fn nvcc() -> PathBuf {
    let home = env::var_os("CUDA_HOME").map(|home| Path::new(&home).join("bin/nvcc"));
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::var_os("NVCC")
        .map(PathBuf::from)
        .into_iter()
        .chain(home)
        .chain(env::split_paths(&path).map(|folder| folder.join("nvcc")))
        .find(|path| path.is_file());
    found.unwrap_or_else(|| {
        panic!("no nvcc: run eval \"$(server/cuda/toolchain.sh)\" first, which fetches one, or set NVCC")
    })
}
