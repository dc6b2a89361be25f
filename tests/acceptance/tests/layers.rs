//! Dependencies point one way, and heavy ones stay where they belong (`deny.toml` says the same).

use std::{collections::BTreeMap, collections::BTreeSet, process::Command};

use girandole_acceptance::root;
use serde_json::Value;

/// What each of our crates depends on directly, tests and build scripts left out.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut metadata = Command::new(cargo);
    metadata.args(["metadata", "--format-version", "1", "--no-deps", "--offline"]).current_dir(root());
    let json: Value = serde_json::from_slice(&metadata.output().unwrap().stdout).unwrap();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let normal = |dependency: &Value| dependency["kind"].is_null();
    list(&json["packages"])
        .iter()
        .map(|package| {
            let all = list(&package["dependencies"]);
            (name(package), all.iter().filter(|dependency| normal(dependency)).map(name).collect())
        })
        .collect()
}

/// The crates among ours that depend on one of these.
fn users(of: &[&str]) -> BTreeSet<String> {
    let uses = |all: &BTreeSet<String>| of.iter().any(|name| all.contains(*name));
    dependencies().into_iter().filter(|(_, all)| uses(all)).map(|(name, _)| name).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn only_the_engine_sees_candle() {
    assert_eq!(users(&["candle-core", "candle-nn", "candle-onnx"]), set(&["girandole-engine"]));
}

#[test]
fn only_the_devices_crate_sees_cuda() {
    assert_eq!(users(&["cudarc", "nvml-wrapper"]), set(&["girandole-cuda"]));
    assert_eq!(users(&["girandole-cuda"]), set(&["girandole-engine"]));
}

#[test]
fn only_the_protocol_crates_see_http() {
    assert_eq!(users(&["axum", "hyper"]), set(&["girandole-api"]));
    assert_eq!(users(&["tonic"]), set(&["girandole-api", "girandole-proto"]));
}

#[test]
fn our_crates_depend_one_way() {
    let all = dependencies();
    let ours = |name: &str| -> BTreeSet<String> {
        all[name].iter().filter(|name| name.starts_with("girandole")).cloned().collect()
    };
    assert_eq!(ours("girandole-core"), set(&[]));
    assert_eq!(ours("girandole-proto"), set(&[]));
    let engine = ["girandole-core", "girandole-cuda", "girandole-kernels", "girandole-proto"];
    assert_eq!(ours("girandole-engine"), set(&engine));
    assert_eq!(ours("girandole-cuda"), set(&[]));
    assert_eq!(ours("girandole-kernels"), set(&[]));
    assert_eq!(ours("girandole-rollout"), set(&[]));
    assert_eq!(ours("girandole-audit"), set(&["girandole-core"]));
    assert_eq!(ours("girandole-seal"), set(&["girandole-core"]));
    let runtime = ["girandole-core", "girandole-proto", "girandole-rollout", "girandole-seal"];
    assert_eq!(ours("girandole-runtime"), set(&runtime));
    assert_eq!(ours("girandole-access"), set(&["girandole-core"]));
    let api = ["girandole-access", "girandole-core", "girandole-proto", "girandole-runtime"];
    assert_eq!(ours("girandole-api"), set(&api));
}

#[test]
fn the_contract_is_light() {
    let heavy = ["tokio", "candle-core", "http", "hyper", "axum", "tonic", "prost"];
    assert!(dependencies()["girandole-core"].iter().all(|name| !heavy.contains(&name.as_str())));
}
