//! From a configuration as written to one that can be served: checked against the model and completed.

use std::{collections::BTreeMap, path::Path};

use girandole_core::{Dim, Format, ModelSpec, Placement, Result, TensorSpec};
use girandole_proto::config::{
    ModelConfig, ModelDynamicBatching, ModelInput, ModelOutput, ModelVersionPolicy,
    model_config::SchedulingChoice,
    model_version_policy::{Latest, PolicyChoice},
};

use super::{
    Devices, batch_size, batching, circuit_breaker, graphs, instances, labels,
    mistakes::Mistakes,
    platform, refused,
    reshape::Reshapes,
    tensors::{self, Declared, Rules, data_type},
    warmup,
};
use crate::settings::ModelSettings;

/// What may be filled in where a configuration says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Fill in nothing: what is missing is a mistake (`--strict-model-config`).
    pub strict: bool,
    /// The most rows of an execution where the model allows a batch and no size is configured.
    pub default_max_batch_size: usize,
}

impl Default for Completion {
    /// Triton's: everything that is missing is inferred, and a batch has at most 4 rows.
    fn default() -> Self {
        Self { strict: false, default_max_batch_size: 4 }
    }
}

/// What a configuration is held against.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The model's name.
    pub name: &'a str,
    /// Its directory, for the files that the configuration names.
    pub dir: &'a Path,
    /// What the engine found in the model's file.
    pub spec: &'a ModelSpec,
    /// Where sessions can go.
    pub devices: Devices,
    /// What may be filled in.
    pub completion: Completion,
    /// The model's file: the one that the configuration names, or else the one that is there.
    pub filename: &'a str,
}

/// A configuration that can be served.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// As clients see it, everything inferred filled in.
    pub config: ModelConfig,
    /// As the runtime acts on it.
    pub settings: ModelSettings,
    /// What to wrap the model with.
    pub reshapes: Reshapes,
}

/// Checks a configuration against the model and fills in what it leaves out.
///
/// # Errors
/// `InvalidArgument` with every mistake, each naming its field and what is allowed.
pub fn resolve(config: &ModelConfig, context: &Context<'_>) -> Result<Resolved> {
    let mut mistakes = Mistakes::default();
    platform::check(config, context, &mut mistakes);
    refused::check(config, &mut mistakes);
    let max_batch_size = batch_size::resolve(config, context.spec, context.completion, &mut mistakes);
    let rules = Rules { batches: max_batch_size.rows > 0, strict: context.completion.strict };
    let inputs: Vec<_> =
        config.input.iter().enumerate().map(|(i, input)| Declared::input(i, input)).collect();
    let outputs: Vec<_> =
        config.output.iter().enumerate().map(|(i, output)| Declared::output(i, output)).collect();
    let inputs = tensors::resolve(&context.spec.inputs, &inputs, rules, &mut mistakes);
    let outputs = tensors::resolve(&context.spec.outputs, &outputs, rules, &mut mistakes);
    let reshapes = Reshapes {
        batches: rules.batches,
        inputs: inputs.iter().map(|tensor| tensor.reshape.clone()).collect(),
        outputs: outputs.iter().map(|tensor| tensor.reshape.clone()).collect(),
    };
    let spec = ModelSpec {
        inputs: inputs.into_iter().map(|tensor| tensor.client).collect(),
        outputs: outputs.into_iter().map(|tensor| tensor.client).collect(),
        max_batch_size: max_batch_size.rows,
    };
    let dynamic = dynamic_batching(config, max_batch_size);
    let settings = settings(config, context, spec, dynamic.as_ref(), &mut mistakes);
    mistakes.into_result()?;
    let config = complete(config, context, &settings.spec, dynamic);
    Ok(Resolved { config, settings, reshapes })
}

/// The devices that a configuration's sessions will go to, before the model is loaded.
///
/// # Errors
/// `InvalidArgument` with every mistake of `instance_group`.
pub fn placements(config: &ModelConfig, devices: Devices) -> Result<Vec<Placement>> {
    let mut mistakes = Mistakes::default();
    let mut placements = instances::resolve(&config.instance_group, devices, &mut mistakes);
    mistakes.into_result()?;
    placements.sort_unstable();
    placements.dedup();
    Ok(placements)
}

/// As written; where the batch was inferred and no scheduling is written, batches form by themselves.
fn dynamic_batching(config: &ModelConfig, max: batch_size::MaxBatchSize) -> Option<ModelDynamicBatching> {
    match &config.scheduling_choice {
        Some(SchedulingChoice::DynamicBatching(batching)) => Some(batching.clone()),
        Some(_) => None,
        None => (max.inferred && max.rows > 1).then(ModelDynamicBatching::default),
    }
}

fn settings(
    config: &ModelConfig,
    context: &Context<'_>,
    spec: ModelSpec,
    dynamic: Option<&ModelDynamicBatching>,
    mistakes: &mut Mistakes,
) -> ModelSettings {
    let instances = instances::resolve(&config.instance_group, context.devices, mistakes);
    let written = warmup::resolve(&config.model_warmup, &spec, context.dir, mistakes);
    let graphs = graphs::resolve(config, &spec, &instances, mistakes);
    let parameters = parameters(config);
    ModelSettings {
        instances,
        batching: dynamic.map(|dynamic| batching::resolve(dynamic, spec.max_batch_size, mistakes)),
        default_queue_policy: batching::default_policy(dynamic, mistakes),
        warmup: [written, graphs].concat(),
        class_labels: labels::resolve(&config.output, context.dir, mistakes),
        circuit_breaker: circuit_breaker::resolve(&parameters, mistakes),
        parameters,
        spec,
    }
}

/// The free-form parameters, by key.
pub(crate) fn parameters(config: &ModelConfig) -> BTreeMap<String, String> {
    config.parameters.iter().map(|(key, value)| (key.clone(), value.string_value.clone())).collect()
}

fn complete(
    config: &ModelConfig,
    context: &Context<'_>,
    spec: &ModelSpec,
    dynamic: Option<ModelDynamicBatching>,
) -> ModelConfig {
    let or =
        |given: &String, default: &str| if given.is_empty() { default.to_owned() } else { given.clone() };
    ModelConfig {
        name: context.name.to_owned(),
        platform: or(&config.platform, platform::platform(Format::of(context.filename))),
        backend: or(&config.backend, platform::BACKEND),
        version_policy: config.version_policy.clone().or_else(|| Some(latest_one())),
        max_batch_size: i32::try_from(spec.max_batch_size).ok(),
        input: spec.inputs.iter().map(|tensor| complete_input(config, tensor, spec)).collect(),
        output: spec.outputs.iter().map(|tensor| complete_output(config, tensor, spec)).collect(),
        instance_group: instances::complete(&config.instance_group, context.name, context.devices),
        default_model_filename: or(&config.default_model_filename, context.filename),
        scheduling_choice: dynamic.map(SchedulingChoice::DynamicBatching),
        ..config.clone()
    }
}

fn latest_one() -> ModelVersionPolicy {
    ModelVersionPolicy { policy_choice: Some(PolicyChoice::Latest(Latest { num_versions: 1 })) }
}

fn complete_input(config: &ModelConfig, tensor: &TensorSpec, spec: &ModelSpec) -> ModelInput {
    let declared = config.input.iter().find(|input| input.name == tensor.name).cloned().unwrap_or_default();
    ModelInput {
        name: tensor.name.clone(),
        data_type: data_type(tensor.dtype).into(),
        dims: wire_dims(tensor, spec),
        optional: tensor.optional,
        ..declared
    }
}

fn complete_output(config: &ModelConfig, tensor: &TensorSpec, spec: &ModelSpec) -> ModelOutput {
    let declared =
        config.output.iter().find(|output| output.name == tensor.name).cloned().unwrap_or_default();
    ModelOutput {
        name: tensor.name.clone(),
        data_type: data_type(tensor.dtype).into(),
        dims: wire_dims(tensor, spec),
        ..declared
    }
}

/// The dimensions without the batch; an unknown rank shows as one free dimension.
fn wire_dims(tensor: &TensorSpec, spec: &ModelSpec) -> Vec<i64> {
    let Some(dims) = &tensor.dims else { return vec![-1] };
    dims.iter().skip(usize::from(spec.batches())).map(Dim::wire).collect()
}
