//! Fields that cannot be honoured. Ignoring one would serve something other than its author meant, so each is
//! refused by name. What is accepted without effect, since answers do not depend on it, stands in
//! `docs/model-config.md`.

use girandole_proto::config::{ModelConfig, model_config::SchedulingChoice};

use super::mistakes::Mistakes;

/// Notes every field that is set and cannot be honoured.
pub(super) fn check(config: &ModelConfig, mistakes: &mut Mistakes) {
    for (field, set, instead) in whole_model(config) {
        if set {
            mistakes.add(field, format!("is not supported; {instead}"));
        }
    }
    for (i, input) in config.input.iter().enumerate() {
        let flags = [
            ("is_shape_tensor", input.is_shape_tensor),
            ("allow_ragged_batch", input.allow_ragged_batch),
            ("is_non_linear_format_io", input.is_non_linear_format_io),
        ];
        refuse_flags("input", i, &input.name, &flags, mistakes);
    }
    for (i, output) in config.output.iter().enumerate() {
        let flags = [
            ("is_shape_tensor", output.is_shape_tensor),
            ("is_non_linear_format_io", output.is_non_linear_format_io),
        ];
        refuse_flags("output", i, &output.name, &flags, mistakes);
    }
}

/// Each field of the model as a whole: its name, whether it is set, and what to do instead.
fn whole_model(config: &ModelConfig) -> [(&'static str, bool, &'static str); 12] {
    let scheduling = config.scheduling_choice.as_ref();
    let decoupled = config.model_transaction_policy.as_ref().is_some_and(|policy| policy.decoupled);
    let cached = config.response_cache.as_ref().is_some_and(|cache| cache.enable);
    [
        (
            "sequence_batching",
            matches!(scheduling, Some(SchedulingChoice::SequenceBatching(_))),
            "pass a model's state as inputs and outputs, and use dynamic_batching",
        ),
        (
            "ensemble_scheduling",
            matches!(scheduling, Some(SchedulingChoice::EnsembleScheduling(_))),
            "merge the steps into one ONNX file, or call the models in turn",
        ),
        ("model_transaction_policy.decoupled", decoupled, "each request has one response; leave it false"),
        ("response_cache.enable", cached, "leave it false"),
        (
            "model_repository_agents",
            config.model_repository_agents.is_some(),
            "to verify files, add SHA256SUMS to the version directory",
        ),
        (
            "model_operations",
            config.model_operations.is_some(),
            "custom operator libraries are never loaded; remove it",
        ),
        ("batch_input", !config.batch_input.is_empty(), "remove it; ragged batches are not formed"),
        ("batch_output", !config.batch_output.is_empty(), "remove it; ragged batches are not formed"),
        ("cc_model_filenames", !config.cc_model_filenames.is_empty(), "use default_model_filename"),
        ("runtime", !config.runtime.is_empty(), "remove it"),
        ("model_metrics", config.model_metrics.is_some(), "histogram buckets are the server's; remove it"),
        ("metric_tags", !config.metric_tags.is_empty(), "add labels where the metrics are collected"),
    ]
}

fn refuse_flags(kind: &str, index: usize, name: &str, flags: &[(&str, bool)], mistakes: &mut Mistakes) {
    for (flag, set) in flags {
        if *set {
            mistakes.add(
                format!("{kind}[{index}].{flag}"),
                format!("is not supported; leave it false for '{name}'"),
            );
        }
    }
}
