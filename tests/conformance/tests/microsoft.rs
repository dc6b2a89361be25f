//! ONNX Runtime's own operators against its answers, which `microsoft.py` wrote; every operator has a case.

use std::{collections::HashSet, fs, path::Path};

use girandole_conformance::{case, case_names, place::Place};
use girandole_engine::ops::{Domain, functions, table};
use girandole_proto::onnx::ModelProto;
use prost::Message;

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("microsoft")
}

#[test]
fn every_case_passes() {
    let names = case_names(&folder()).unwrap();
    let failures: Vec<_> = names
        .iter()
        .filter_map(|name| Some(format!("{name}: {:?}", case::run(&folder().join(name), Place::Cpu).err()?)))
        .collect();
    assert!(failures.is_empty(), "{} of {} fail:\n{}", failures.len(), names.len(), failures.join("\n"));
}

#[test]
fn every_operator_has_a_case() {
    let mut seen = HashSet::new();
    for name in case_names(&folder()).unwrap() {
        let bytes = fs::read(folder().join(name).join("model.onnx")).unwrap();
        let graph = ModelProto::decode(&bytes[..]).unwrap().graph.unwrap();
        seen.extend(graph.node.into_iter().map(|node| node.op_type));
    }
    let operators = table().map(|def| (def.domain, def.name));
    let all = operators.chain(functions().map(|def| (def.domain, def.name)));
    let untested: Vec<_> =
        all.filter(|(domain, name)| *domain == Domain::Microsoft && !seen.contains(*name)).collect();
    assert!(untested.is_empty(), "no case for {untested:?}");
}
