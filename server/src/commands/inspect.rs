//! `girandole inspect`: what is in a model.

use std::{collections::BTreeMap, process::ExitCode};

use girandole_core::TensorSpec;
use girandole_engine::{
    Target,
    inspect::{Report, inspect},
};
use serde_json::{Value, json};

use super::Outcome;
use crate::{cli::InspectOptions, model_file};

pub(crate) fn run(options: &InspectOptions) -> Outcome {
    let path = model_file::find(&options.model)?;
    let target = if options.gpu { Target::Gpu } else { Target::Cpu };
    let report = inspect(&path, target).map_err(|error| error.context(path.display()))?;
    if options.json {
        println!("{}", as_json(&report));
    } else {
        print_text(&report);
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(report: &Report) -> Value {
    let tensors = |specs: &[TensorSpec]| -> Vec<Value> {
        let one = |spec: &TensorSpec| json!({"name": spec.name, "datatype": spec.dtype.name(), "shape": spec.wire_shape()});
        specs.iter().map(one).collect()
    };
    json!({
        "inputs": tensors(&report.spec.inputs),
        "outputs": tensors(&report.spec.outputs),
        "batches": report.spec.batches(),
        "operators": report.operators,
        "constant_bytes": report.constant_bytes,
        "on_host": report.on_host,
    })
}

fn print_text(report: &Report) {
    let list = |title: &str, specs: &[TensorSpec]| {
        println!("{title}");
        specs.iter().for_each(|spec| println!("  {:<32} {spec}", spec.name));
    };
    list("inputs", &report.spec.inputs);
    list("outputs", &report.spec.outputs);
    println!("batches   {}", if report.spec.batches() { "yes, along the first dimension" } else { "no" });
    println!("constants {:.2} MiB", report.constant_bytes as f64 / f64::from(1 << 20));
    println!("operators");
    let counts = |counts: &BTreeMap<&str, usize>| {
        counts.iter().for_each(|(name, count)| println!("  {name:<32} {count}"));
    };
    counts(&report.operators);
    if !report.on_host.is_empty() {
        println!("of these on the host, with copies from and to the GPU");
        counts(&report.on_host);
    }
}
