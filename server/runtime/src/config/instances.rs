//! How many sessions a model has, and on which devices.

use girandole_core::{DeviceKind, Placement};
use girandole_proto::config::{ModelInstanceGroup, model_instance_group::Kind};

use super::mistakes::Mistakes;

/// The devices that sessions may be opened on, besides the processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Devices {
    /// Number of GPUs that the server can use.
    pub gpus: usize,
}

/// An OS thread each, so a slip of the keyboard must not start a million.
const MAX_INSTANCES: usize = 256;

/// Where each session goes: one by default on each GPU, as Triton has it, or on the processor where there is none.
pub(super) fn resolve(
    groups: &[ModelInstanceGroup],
    devices: Devices,
    mistakes: &mut Mistakes,
) -> Vec<Placement> {
    let mut placements = Vec::new();
    for (i, group) in groups.iter().enumerate() {
        refuse(group, i, mistakes);
        let count = count(group, i, mistakes);
        for placement in targets(group, i, devices, mistakes) {
            placements.extend(std::iter::repeat_n(placement, count));
        }
    }
    if placements.len() > MAX_INSTANCES {
        mistakes.add(
            "instance_group",
            format!("at most {MAX_INSTANCES} instances in all, got {}", placements.len()),
        );
    }
    if groups.is_empty() { targets(&ModelInstanceGroup::default(), 0, devices, mistakes) } else { placements }
}

/// The groups as clients see them, with everything defaulted filled in.
pub(super) fn complete(
    groups: &[ModelInstanceGroup],
    name: &str,
    devices: Devices,
) -> Vec<ModelInstanceGroup> {
    let given = if groups.is_empty() { vec![ModelInstanceGroup::default()] } else { groups.to_vec() };
    let completed = given.into_iter().enumerate().map(|(i, mut group)| {
        if group.name.is_empty() {
            group.name = format!("{name}_{i}");
        }
        group.count = group.count.max(1);
        if group.kind() == Kind::Auto {
            group.set_kind(if on_gpu(&group, devices) { Kind::Gpu } else { Kind::Cpu });
        }
        if group.kind() == Kind::Gpu && group.gpus.is_empty() {
            group.gpus = (0..devices.gpus).filter_map(|gpu| i32::try_from(gpu).ok()).collect();
        }
        group
    });
    completed.collect()
}

fn on_gpu(group: &ModelInstanceGroup, devices: Devices) -> bool {
    match group.kind() {
        Kind::Gpu => true,
        Kind::Auto => devices.gpus > 0 || !group.gpus.is_empty(),
        Kind::Cpu | Kind::Model => false,
    }
}

fn targets(
    group: &ModelInstanceGroup,
    index: usize,
    devices: Devices,
    mistakes: &mut Mistakes,
) -> Vec<Placement> {
    if !on_gpu(group, devices) {
        if !group.gpus.is_empty() {
            mistakes.add(format!("instance_group[{index}].gpus"), "goes with KIND_GPU only");
        }
        return vec![Placement::default()];
    }
    if devices.gpus == 0 {
        let field = format!("instance_group[{index}].kind");
        mistakes.add(field, "no GPU is available to this server; use KIND_CPU or KIND_AUTO without gpus");
        return Vec::new();
    }
    if group.gpus.is_empty() {
        return (0..devices.gpus).map(|index| Placement { kind: DeviceKind::Gpu, index }).collect();
    }
    group.gpus.iter().filter_map(|&gpu| gpu_placement(gpu, index, devices, mistakes)).collect()
}

fn gpu_placement(gpu: i32, index: usize, devices: Devices, mistakes: &mut Mistakes) -> Option<Placement> {
    let number = usize::try_from(gpu).ok().filter(|&number| number < devices.gpus);
    if number.is_none() {
        let field = format!("instance_group[{index}].gpus");
        mistakes.add(field, format!("there is no GPU {gpu}; the server has {}, from 0", devices.gpus));
    }
    number.map(|index| Placement { kind: DeviceKind::Gpu, index })
}

fn count(group: &ModelInstanceGroup, index: usize, mistakes: &mut Mistakes) -> usize {
    let count = usize::try_from(group.count).ok().filter(|&count| count <= MAX_INSTANCES);
    if count.is_none() {
        let field = format!("instance_group[{index}].count");
        mistakes.add(
            field,
            format!("must be 1 to {MAX_INSTANCES}, or 0 for the default of 1, got {}", group.count),
        );
    }
    count.unwrap_or(1).max(1)
}

fn refuse(group: &ModelInstanceGroup, index: usize, mistakes: &mut Mistakes) {
    let fields = [
        (
            "kind",
            group.kind() == Kind::Model,
            "KIND_MODEL is not supported; use KIND_CPU, KIND_GPU or KIND_AUTO",
        ),
        ("kind", Kind::try_from(group.kind).is_err(), "must be KIND_CPU, KIND_GPU or KIND_AUTO"),
        ("profile", !group.profile.is_empty(), "is for TensorRT; remove it"),
        ("passive", group.passive, "is not supported; leave it false"),
        ("secondary_devices", !group.secondary_devices.is_empty(), "is not supported; remove it"),
    ];
    for (field, set, what) in fields {
        if set {
            mistakes.add(format!("instance_group[{index}].{field}"), what);
        }
    }
}
