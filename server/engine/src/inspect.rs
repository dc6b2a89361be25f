//! What is in a model, for people: inputs, outputs, operators, memory.

use std::{collections::BTreeMap, path::Path};

use girandole_core::{LoadOptions, LoadRequest, Model, ModelSpec, Result};

use crate::{loader, plan::Plan};

/// What is in a model.
#[derive(Clone, Debug)]
pub struct Report {
    /// What it takes and gives.
    pub spec: ModelSpec,
    /// How often each operator runs, by name, after the passes.
    pub operators: BTreeMap<&'static str, usize>,
    /// Bytes of its constants.
    pub constant_bytes: usize,
}

/// Loads a model's file and reports what is in it.
///
/// # Errors
/// As loading it.
pub fn inspect(path: &Path) -> Result<Report> {
    let request = LoadRequest {
        name: String::new(),
        version: 0,
        path: path.to_owned(),
        options: LoadOptions::default(),
    };
    let model = loader::load(&request)?;
    let mut operators = BTreeMap::new();
    count(model.plan(), &mut operators);
    Ok(Report { spec: model.spec().clone(), operators, constant_bytes: model.plan().constant_bytes() })
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
