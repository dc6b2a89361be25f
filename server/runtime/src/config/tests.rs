//! Configurations as people write them, held against models as the engine describes them.

use std::{path::Path, time::Duration};

use girandole_core::{DType, DeviceKind, Dim, ModelSpec, Placement, TensorSpec};

use super::*;
use crate::settings::{CircuitBreaker, TimeoutAction};

/// A model that takes `x` FP32[batch, 3] and gives `y` FP32[batch, 2].
fn batching_model() -> ModelSpec {
    ModelSpec {
        inputs: vec![TensorSpec::new("x", DType::F32, &[-1, 3])],
        outputs: vec![TensorSpec::new("y", DType::F32, &[-1, 2])],
        max_batch_size: 1,
    }
}

fn fixed_model() -> ModelSpec {
    ModelSpec {
        inputs: vec![TensorSpec::new("x", DType::F32, &[1, 3])],
        outputs: vec![TensorSpec::new("y", DType::F32, &[1, 2])],
        max_batch_size: 0,
    }
}

fn resolve_in(
    dir: &Path,
    text: &str,
    spec: &ModelSpec,
    completion: Completion,
) -> girandole_core::Result<Resolved> {
    resolve_with(
        Context { name: "m", dir, spec, devices: Devices::default(), completion, filename: "model.onnx" },
        text,
    )
}

fn resolve_with(context: Context<'_>, text: &str) -> girandole_core::Result<Resolved> {
    super::resolve(&parse_text(text)?, &context)
}

fn resolved(text: &str, spec: &ModelSpec) -> girandole_core::Result<Resolved> {
    resolve_in(Path::new("."), text, spec, Completion::default())
}

fn mistakes(text: &str, spec: &ModelSpec) -> String {
    resolved(text, spec).unwrap_err().message().to_owned()
}

#[test]
fn nothing_written_infers_everything() {
    let found = resolved("", &batching_model()).unwrap();
    assert_eq!(found.settings.spec.max_batch_size, 4);
    assert_eq!(found.settings.instances, [Placement::default()]);
    assert!(found.settings.batching.is_some());
    assert_eq!(found.config.max_batch_size, Some(4));
    assert_eq!(found.config.input[0].dims, [3]);
    assert_eq!(found.config.instance_group[0].name, "m_0");
    assert_eq!(found.config.default_model_filename, "model.onnx");
    let fixed = resolved("", &fixed_model()).unwrap();
    assert_eq!(fixed.config.max_batch_size, Some(0));
    assert_eq!(fixed.config.input[0].dims, [1, 3]);
    assert!(fixed.settings.batching.is_none());
}

#[test]
fn the_batch_size_is_what_was_written_or_follows_from_the_dims() {
    let cases = [
        ("max_batch_size: 0", 0),
        ("max_batch_size: 7", 7),
        (r#"input { name: "x" data_type: TYPE_FP32 dims: [ -1, 3 ] }"#, 0),
        (r#"input { name: "x" data_type: TYPE_FP32 dims: [ 3 ] }"#, 4),
        (r#"max_batch_size: 2 input { name: "x" data_type: TYPE_FP32 dims: [ 3 ] }"#, 2),
    ];
    for (text, expected) in cases {
        let found = resolved(text, &batching_model()).unwrap();
        assert_eq!(found.settings.spec.max_batch_size, expected, "{text}");
        assert_eq!(found.settings.spec.inputs[0].wire_shape(), [-1, 3], "{text}");
    }
}

#[test]
fn a_written_batch_size_alone_forms_no_batches() {
    assert!(resolved("max_batch_size: 8", &batching_model()).unwrap().settings.batching.is_none());
}

#[test]
fn strictness_asks_for_everything() {
    let strict = Completion { strict: true, ..Completion::default() };
    let error = resolve_in(Path::new("."), "", &batching_model(), strict).unwrap_err();
    assert!(error.message().contains("2 mistakes"), "{error}");
    let whole = r#"max_batch_size: 2 input { name: "x" data_type: TYPE_FP32 dims: [ 3 ] }
        output { name: "y" data_type: TYPE_FP32 dims: [ 2 ] }"#;
    assert!(resolve_in(Path::new("."), whole, &batching_model(), strict).is_ok());
}

#[test]
fn every_mistake_is_reported_at_once() {
    let text = r#"
        name: "other" platform: "tensorflow_savedmodel" max_batch_size: 4
        input [ { name: "x" data_type: TYPE_INT64 dims: [ 4 ] is_shape_tensor: true },
                { name: "z" data_type: TYPE_FP32 dims: [ 1 ] } ]
        instance_group { count: 1 kind: KIND_GPU }
        dynamic_batching { preferred_batch_size: [ 8 ] priority_levels: 2 default_priority_level: 3 }
        response_cache { enable: true }"#;
    let message = mistakes(text, &batching_model());
    for field in [
        "10 mistakes",
        "name: ",
        "platform: 'tensorflow_savedmodel'",
        "response_cache.enable: ",
        "input[0].is_shape_tensor: ",
        "input[0].data_type: is TYPE_INT64, but the model has TYPE_FP32",
        "input[0].dims: is [4], but the model has [3]",
        "input[1].name: the model has no 'z', it has 'x'",
        "instance_group[0].kind: no GPU",
        "preferred_batch_size: must be from 1 to max_batch_size, which is 4, got 8",
        "default_priority_level: must be from 1 to 2, got 3",
    ] {
        assert!(message.contains(field), "no '{field}' in: {message}");
    }
}

#[test]
fn single_mistakes_name_their_field() {
    let cases = [
        ("max_batch_size: -1", "max_batch_size: must be 0"),
        ("backend: \"python\"", "backend: 'python'"),
        ("sequence_batching { }", "sequence_batching: is not supported"),
        ("ensemble_scheduling { }", "ensemble_scheduling: is not supported"),
        ("model_transaction_policy { decoupled: true }", "decoupled"),
        ("instance_group { count: -2 }", "instance_group[0].count"),
        ("instance_group { kind: KIND_MODEL }", "KIND_MODEL"),
        (r#"input { name: "x" dims: [ 0 ] }"#, "input[0].dims: each dimension"),
        (r#"input { name: "x" dims: [ 3 ] optional: true }"#, "input[0].optional"),
        (r#"max_batch_size: 1 input { name: "x" dims: [ 3 ] reshape { shape: [ 4 ] } }"#, "reshape.shape"),
        (r#"output { name: "y" dims: [ 2 ] label_filename: "../x" }"#, "output[0].label_filename"),
        (r#"model_warmup { name: "w" }"#, "model_warmup[0]: input 'x' is missing"),
    ];
    for (text, expected) in cases {
        let message = mistakes(text, &batching_model());
        assert!(message.contains(expected), "{text}: {message}");
    }
    assert!(mistakes("max_batch_size: 2", &fixed_model()).contains("max_batch_size: is 2"));
}

#[test]
fn symbols_stay_where_any_size_goes() {
    let mut spec = batching_model();
    spec.inputs[0].dims = Some(vec![Dim::Free(Some("batch".into())), Dim::Free(Some("seq".into()))]);
    let found = resolved(r#"input { name: "x" dims: [ -1 ] }"#, &spec).unwrap();
    assert_eq!(found.settings.spec.inputs[0].dims, spec.inputs[0].dims);
    let narrowed = resolved(r#"input { name: "x" dims: [ 16 ] }"#, &spec).unwrap();
    assert_eq!(narrowed.settings.spec.inputs[0].wire_shape(), [-1, 16]);
}

#[test]
fn batching_and_queue_policies_are_read() {
    let text = r#"max_batch_size: 8 dynamic_batching {
        preferred_batch_size: [ 8, 4, 4 ] max_queue_delay_microseconds: 250 preserve_ordering: true
        priority_levels: 3 default_priority_level: 2
        default_queue_policy { default_timeout_microseconds: 9 max_queue_size: 7 }
        priority_queue_policy { key: 1 value { timeout_action: DELAY allow_timeout_override: true } } }"#;
    let settings = resolved(text, &batching_model()).unwrap().settings;
    let batching = settings.batching.unwrap();
    assert_eq!(batching.preferred_batch_sizes, [4, 8]);
    assert_eq!(batching.max_queue_delay, Duration::from_micros(250));
    assert_eq!((batching.priority_levels, batching.default_priority), (3, 2));
    assert_eq!(batching.priority_policies[&1].timeout_action, TimeoutAction::Delay);
    assert_eq!(settings.default_queue_policy.max_queue_size, Some(7));
    assert_eq!(settings.default_queue_policy.default_timeout, Some(Duration::from_micros(9)));
    assert!(!settings.default_queue_policy.allow_timeout_override);
}

#[test]
fn labels_and_warm_up_data_come_from_the_models_directory() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("labels.txt"), "cat\r\ndog\n").unwrap();
    std::fs::create_dir(dir.path().join("warmup")).unwrap();
    std::fs::write(dir.path().join("warmup/x"), [0u8; 12]).unwrap();
    let text = r#"max_batch_size: 4 output { name: "y" label_filename: "labels.txt" }
        model_warmup { name: "file" batch_size: 2 inputs {
            key: "x" value { data_type: TYPE_FP32 dims: [ 3 ] input_data_file: "x" } } }
        model_warmup { name: "random" count: 3 inputs {
            key: "x" value { data_type: TYPE_FP32 dims: [ 3 ] random_data: true } } }"#;
    let settings = resolve_in(dir.path(), text, &batching_model(), Completion::default()).unwrap().settings;
    assert_eq!(settings.class_labels["y"], ["cat", "dog"]);
    assert_eq!(&settings.warmup[0].inputs[0].tensor.shape()[..], [2, 3]);
    assert_eq!(settings.warmup[1].count, 3);
}

#[test]
fn a_reshape_shows_clients_the_declared_dims() {
    let spec = ModelSpec {
        inputs: vec![TensorSpec::new("x", DType::F32, &[-1])],
        outputs: vec![TensorSpec::new("y", DType::F32, &[-1, 2])],
        max_batch_size: 1,
    };
    let found =
        resolved(r#"max_batch_size: 2 input { name: "x" dims: [ 1 ] reshape { shape: [ ] } }"#, &spec)
            .unwrap();
    assert_eq!(found.settings.spec.inputs[0].wire_shape(), [-1, 1]);
    assert_eq!(found.config.input[0].dims, [1]);
}

#[test]
fn what_has_no_effect_on_answers_is_accepted() {
    let text = r#"platform: "onnxruntime_onnx" backend: "onnxruntime"
        optimization { graph { level: 1 } input_pinned_memory { enable: true } eager_batching: true
            execution_accelerators { gpu_execution_accelerator { name: "tensorrt" } } }
        instance_group { count: 2 kind: KIND_CPU rate_limiter { priority: 1 } host_policy: "p" }
        input { name: "x" dims: [ 3 ] format: FORMAT_NHWC } parameters { key: "a" value { string_value: "b" } }"#;
    let settings = resolved(text, &batching_model()).unwrap().settings;
    assert_eq!(settings.instances.len(), 2);
    assert_eq!(settings.parameters["a"], "b");
}

#[test]
fn instances_are_spread_over_the_gpus() {
    let gpu = |index| Placement { kind: DeviceKind::Gpu, index };
    let on = |gpus: usize, group: &str| {
        let (spec, dir, completion) = (batching_model(), Path::new("."), Completion::default());
        let devices = Devices { gpus };
        let context = Context { name: "m", dir, spec: &spec, devices, completion, filename: "model.onnx" };
        let found = resolve_with(context, group).unwrap();
        (found.settings.instances, found.config.instance_group[0].gpus.clone())
    };
    let cpu = (vec![Placement::default()], vec![]);
    let each = (vec![gpu(0), gpu(1)], vec![0, 1]);
    for group in ["", "instance_group { }", "instance_group { kind: KIND_AUTO }"] {
        assert_eq!((on(2, group), on(0, group)), (each.clone(), cpu.clone()), "{group}");
    }
    assert_eq!(on(2, "instance_group { kind: KIND_GPU }"), each);
    let two = "instance_group { count: 2 kind: KIND_GPU gpus: [ 0, 1 ] }";
    assert_eq!(on(3, two), (vec![gpu(0), gpu(0), gpu(1), gpu(1)], vec![0, 1]));
    assert_eq!(on(3, "instance_group { gpus: [ 2 ] }"), (vec![gpu(2)], vec![2]));
    assert_eq!(on(2, "instance_group { kind: KIND_CPU }"), cpu);
}

#[test]
fn platform_and_backend_are_those_of_the_files_format() {
    let spec = fixed_model();
    let of = |filename: &str, text: &str| {
        let (dir, completion, devices) = (Path::new("."), Completion::default(), Devices::default());
        resolve_with(Context { name: "m", dir, spec: &spec, devices, completion, filename }, text)
    };
    let platform = |filename: &str| of(filename, "").unwrap().config.platform;
    assert_eq!(platform("model.onnx"), "onnx_girandole");
    assert_eq!(platform("model.safetensors"), "safetensors_girandole");
    assert!(of("model.safetensors", r#"platform: "safetensors" backend: "girandole""#).is_ok());
    let error = of("model.safetensors", r#"platform: "onnxruntime_onnx""#).unwrap_err();
    assert!(error.message().contains("safetensors models are: safetensors_girandole"), "{error}");
}

#[test]
fn graphs_to_capture_are_requests_before_a_version_serves_on_a_gpu() {
    let spec = ModelSpec {
        inputs: vec![
            TensorSpec::new("ids", DType::I64, &[-1, -1]),
            TensorSpec::new("x", DType::F32, &[-1, 3]),
        ],
        outputs: vec![TensorSpec::new("y", DType::F32, &[-1, 2])],
        max_batch_size: 1,
    };
    let on = |gpus: usize, graph: &str| {
        let text =
            format!("max_batch_size: 8 optimization {{ cuda {{ graphs: true graph_spec {{ {graph} }} }} }}");
        let (dir, completion, devices) = (Path::new("."), Completion::default(), Devices { gpus });
        let context = Context { name: "m", dir, spec: &spec, devices, completion, filename: "model.onnx" };
        resolve_with(context, &text).map(|found| found.settings.warmup)
    };
    let ids = r#"input { key: "ids" value { dim: [ 16 ] } }"#;
    let found = on(1, &format!("batch_size: 4 {ids}")).unwrap();
    let shapes: Vec<_> = found[0].inputs.iter().map(|input| input.tensor.shape().to_vec()).collect();
    assert_eq!(shapes, [[4, 16], [4, 3]]);
    assert!(on(0, &format!("batch_size: 4 {ids}")).unwrap().is_empty(), "nothing to capture on a CPU");
    for (graph, mistake) in [
        (format!("batch_size: 9 {ids}"), "batch_size must be 1 to max_batch_size, 8"),
        ("batch_size: 4".to_owned(), "input 'ids' needs its dims"),
        (r#"batch_size: 4 input { key: "z" value { dim: [ 1 ] } }"#.to_owned(), "the model has no input 'z'"),
        (
            format!("batch_size: 4 {ids} graph_lower_bound {{ batch_size: 2 }}"),
            "graph_lower_bound is not supported",
        ),
    ] {
        let refused = on(1, &graph).unwrap_err();
        assert!(refused.message().contains(mistake), "{refused}");
    }
}

#[test]
fn the_circuit_breaker_is_on_or_off() {
    let with = |value: &str| {
        let text = format!(r#"parameters {{ key: "circuit_breaker" value {{ string_value: "{value}" }} }}"#);
        resolved(&text, &batching_model()).map(|resolved| resolved.settings.circuit_breaker)
    };
    assert_eq!((with("on"), with("off")), (Ok(CircuitBreaker::On), Ok(CircuitBreaker::Off)));
    let mistake = with("of").unwrap_err();
    assert!(
        mistake.message().contains("parameters.circuit_breaker: must be on or off, got 'of'"),
        "{mistake}"
    );
}
