//! `girandole inspect`: what is in a model.

use std::{collections::BTreeMap, process::ExitCode};

use girandole_core::TensorSpec;
use girandole_engine::{
    Target,
    inspect::{Report, Sequences, inspect},
};
use serde_json::{Value, json};

use super::{Outcome, output::say};
use crate::{cli::InspectOptions, model_file};

pub(crate) fn run(options: &InspectOptions) -> Outcome {
    let path = model_file::find(&options.model)?;
    let target = if options.gpu { Target::Gpu } else { Target::Cpu };
    let report = inspect(&path, target).map_err(|error| error.context(path.display()))?;
    if options.json {
        say!("{}", as_json(&report));
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
        "sequences": report.sequences.as_ref().map(|sequences| json!({
            "dimension": sequences.dimension,
            "padded": sequences.obstacle.is_none(),
            "obstacle": sequences.obstacle,
            "masks": sequences.masks,
            "longest": sequences.longest,
        })),
    })
}

fn print_text(report: &Report) {
    let list = |title: &str, specs: &[TensorSpec]| {
        say!("{title}");
        specs.iter().for_each(|spec| say!("  {:<32} {spec}", spec.name));
    };
    list("inputs", &report.spec.inputs);
    list("outputs", &report.spec.outputs);
    say!("batches   {}", if report.spec.batches() { "yes, along the first dimension" } else { "no" });
    say!("constants {:.2} MiB", report.constant_bytes as f64 / f64::from(1 << 20));
    say!("operators");
    let counts = |counts: &BTreeMap<&str, usize>| {
        counts.iter().for_each(|(name, count)| say!("  {name:<32} {count}"));
    };
    counts(&report.operators);
    if !report.on_host.is_empty() {
        say!("of these on the host, with copies from and to the GPU");
        counts(&report.on_host);
    }
    if let Some(sequences) = &report.sequences {
        say!("sequences {}", of_sequences(sequences));
    }
}

fn of_sequences(sequences: &Sequences) -> String {
    let Sequences { dimension, obstacle, masks, longest } = sequences;
    if let Some(obstacle) = obstacle {
        return format!("'{dimension}' is not padded: {obstacle}");
    }
    let longest = longest.map(|longest| format!(", up to {longest}")).unwrap_or_default();
    let masks = if masks.is_empty() { String::new() } else { format!(", masked by {}", masks.join(", ")) };
    format!("'{dimension}' is padded to buckets{longest}{masks}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_told_with_their_masks_or_what_prevents_it() {
        let padded = Sequences {
            dimension: "sequence".into(),
            obstacle: None,
            masks: vec!["attention_mask".into()],
            longest: Some(512),
        };
        assert_eq!(
            of_sequences(&padded),
            "'sequence' is padded to buckets, up to 512, masked by attention_mask"
        );
        let refused = Sequences { obstacle: Some("node 'x' (Softmax): no mask".into()), ..padded };
        assert_eq!(of_sequences(&refused), "'sequence' is not padded: node 'x' (Softmax): no mask");
    }
}
