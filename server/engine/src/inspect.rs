//! What is in a model, for people: inputs, outputs, operators, memory.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use girandole_core::{Folder, LoadOptions, LoadRequest, Model, ModelSpec, Result};

use crate::{
    Target, loader,
    padding::{Place, Verdict},
    plan::Plan,
};

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
    /// Whether sequences are padded to buckets; `None` on the CPU, and without a named dimension to pad.
    pub sequences: Option<Sequences>,
}

/// Whether a dimension of the inputs is padded to buckets on a GPU.
#[derive(Clone, Debug)]
pub struct Sequences {
    /// The dimension's name.
    pub dimension: String,
    /// What prevents it, where it is not padded.
    pub obstacle: Option<String>,
    /// The inputs that are masks.
    pub masks: Vec<String>,
    /// The greatest length that tables in the model have room for, where there are any.
    pub longest: Option<usize>,
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
        let sequences = program.plan().padding().map(|verdict| sequences(model.spec(), verdict));
        return Ok(Report { on_host: program.on_host(), sequences, ..report(model.spec(), program.plan()) });
    }
    let model = loader::load(&request)?;
    Ok(report(model.spec(), model.plan()))
}

fn report(spec: &ModelSpec, plan: &Plan) -> Report {
    let mut operators = BTreeMap::new();
    count(plan, &mut operators);
    let (constant_bytes, on_host) = (plan.constant_bytes(), BTreeMap::new());
    Report { spec: spec.clone(), operators, constant_bytes, on_host, sequences: None }
}

fn sequences(spec: &ModelSpec, verdict: &Verdict) -> Sequences {
    let name = |place: &Place| spec.inputs.get(place.index).map(|input| input.name.clone());
    match verdict {
        Ok(padding) => Sequences {
            dimension: padding.dimension.to_string(),
            obstacle: None,
            masks: padding.masks.iter().filter_map(name).collect(),
            longest: padding.longest,
        },
        Err(obstacle) => Sequences {
            dimension: obstacle.dimension.to_string(),
            obstacle: Some(obstacle.to_string()),
            masks: Vec::new(),
            longest: None,
        },
    }
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
