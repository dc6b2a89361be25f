//! What is in a model, for people: inputs, outputs, operators, memory.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use girandole_core::{Folder, LoadOptions, LoadRequest, Model, ModelSpec, Result};

use crate::{Target, loader, plan::Plan};

/// What is in a model.
#[derive(Clone, Debug)]
pub struct Report {
    /// What it takes and gives.
    pub spec: ModelSpec,
    /// How often each operator runs, by name, after the passes.
    pub operators: BTreeMap<&'static str, usize>,
    /// Bytes of its constants.
    pub constant_bytes: usize,
    /// How often each operator runs on the host although the model is on a GPU; empty on the CPU.
    pub on_host: BTreeMap<&'static str, usize>,
}

/// Loads a model's file, for one kind of device, and reports what is in it. Needs no GPU.
///
/// # Errors
/// As loading it.
pub fn inspect(path: &Path, target: Target) -> Result<Report> {
    let request = LoadRequest {
        name: String::new(),
        version: 0,
        files: Arc::new(Folder::of(path)),
        options: LoadOptions::default(),
    };
    if target == Target::Gpu {
        let model = loader::load_for_gpus(&request)?;
        let program = model.program();
        return Ok(Report { on_host: program.on_host(), ..report(model.spec(), program.plan()) });
    }
    let model = loader::load(&request)?;
    Ok(report(model.spec(), model.plan()))
}

fn report(spec: &ModelSpec, plan: &Plan) -> Report {
    let mut operators = BTreeMap::new();
    count(plan, &mut operators);
    let (constant_bytes, on_host) = (plan.constant_bytes(), BTreeMap::new());
    Report { spec: spec.clone(), operators, constant_bytes, on_host }
}

/// Counts a plan's operators, those of the plans inside of it too.
fn count(plan: &Plan, operators: &mut BTreeMap<&'static str, usize>) {
    for node in plan.nodes() {
        match node.op.body() {
            Some(body) => count(body, operators),
            None => *operators.entry(node.op_type).or_default() += 1,
        }
    }
}
