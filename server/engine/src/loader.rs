//! The engine as the runtime sees it: a loader of model files.

use std::sync::Arc;

use girandole_core::{
    Batch, Buckets, DeviceKind, Format, LoadRequest, Loader, MemoryUse, Model, ModelSpec, PrecisionReport,
    Result, Session, SessionOptions,
};

use crate::{
    Exactness, Precision, Target, Tuning, architectures, device,
    gpu::{Buckets as SequenceBuckets, GpuModel, GpuOptions, GraphMemory, Guard},
    graph::Graph,
    model::OnnxModel,
    onnx,
    plan::Plan,
};

/// Loads ONNX files and safetensors onto candle, and onto GPUs.
#[derive(Clone, Debug, Default)]
pub struct Engine;

impl Loader for Engine {
    fn load(&self, request: &LoadRequest) -> Result<Arc<dyn Model>> {
        request.options.placements.iter().try_for_each(|&placement| device::check(placement))?;
        let on = |kind| request.options.placements.iter().any(|placement| placement.kind == kind);
        match (on(DeviceKind::Cpu), on(DeviceKind::Gpu)) {
            (_, false) => Ok(Arc::new(load(request)?)),
            (false, true) => Ok(Arc::new(load_for_gpus(request)?)),
            (true, true) => Ok(Arc::new(Both { cpu: load(request)?, gpu: load_for_gpus(request)? })),
        }
    }
}

/// Reads, checks and plans a model file.
pub(crate) fn load(request: &LoadRequest) -> Result<OnnxModel> {
    OnnxModel::new(plan(graph(request, Target::Cpu)?)?)
}

/// Reads, checks and plans a model file for GPUs.
pub(crate) fn load_for_gpus(request: &LoadRequest) -> Result<GpuModel> {
    let parameters = &request.options.parameters;
    let asked = Precision::of(parameters)?;
    let graph = graph(request, Target::Gpu)?;
    let precision = asked.unwrap_or(Precision::of_file(graph.half));
    let guard = Guard::of(parameters, precision)?;
    let gpus = request.options.placements.iter().filter(|placement| placement.kind == DeviceKind::Gpu);
    let first = gpus.map(|placement| placement.index).next().unwrap_or(0);
    let (buckets, graph_memory) = (SequenceBuckets::of(parameters)?, GraphMemory::of(parameters)?);
    let options = GpuOptions { precision, guard, buckets, graph_memory, first };
    GpuModel::new(plan(graph)?, options)
}

fn graph(request: &LoadRequest, target: Target) -> Result<Graph> {
    let exactness = Exactness::of(&request.options.parameters)?;
    let (files, tuning) = (&*request.files, Tuning { exactness, target });
    match Format::of(files.name()) {
        Format::Onnx => Ok(onnx::import_from(files, tuning)?.graph),
        Format::Safetensors => architectures::import(files, tuning),
    }
}

fn plan(graph: Graph) -> Result<Plan> {
    Plan::new(graph).map_err(|error| error.at("model"))
}

/// A model with sessions on both kinds of devices.
struct Both {
    cpu: OnnxModel,
    gpu: GpuModel,
}

impl Model for Both {
    fn spec(&self) -> &ModelSpec {
        self.cpu.spec()
    }

    fn session(&self, options: &SessionOptions) -> Result<Box<dyn Session>> {
        match options.placement.kind {
            DeviceKind::Cpu => self.cpu.session(options),
            DeviceKind::Gpu => self.gpu.session(options),
        }
    }

    fn buckets(&self) -> Option<Buckets> {
        self.gpu.buckets()
    }

    /// Precision is a matter of the GPUs' sessions alone.
    fn check_precision(&self, sample: Result<&Batch>) -> Result<Option<PrecisionReport>> {
        self.gpu.check_precision(sample)
    }

    fn memory(&self) -> Vec<MemoryUse> {
        [self.cpu.memory(), self.gpu.memory()].concat()
    }
}
