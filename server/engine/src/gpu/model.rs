//! A model on GPUs: its program, and its weights once for each device.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use girandole_core::{
    DeviceKind, Error, ErrorCode, MemoryUse, Model, ModelSpec, Placement, Result, Session, SessionOptions,
};
use girandole_cuda::{
    Arena, Fault,
    device::{self, Device},
};

use super::{context::Context, dtype::Precision, program::Program, session::GpuSession, weights::Weights};
use crate::{error::OpError, model, plan::Plan};

/// See the module.
pub(crate) struct GpuModel {
    program: Arc<Program>,
    spec: ModelSpec,
    precision: Precision,
    devices: Mutex<HashMap<usize, OnDevice>>,
}

/// The model on one device.
#[derive(Clone)]
struct OnDevice {
    device: Arc<Device>,
    weights: Arc<Weights>,
}

impl GpuModel {
    pub(crate) fn new(plan: Plan, precision: Precision) -> Result<Self> {
        if plan.outputs().any(|info| info.fact.map_keys.is_some()) {
            return Err(Error::invalid("a model that gives maps runs on the CPU only; use KIND_CPU"));
        }
        let spec = model::spec_of(&plan)?;
        let program = Arc::new(Program::new(Arc::new(plan)));
        Ok(Self { program, spec, precision, devices: Mutex::default() })
    }

    /// The program.
    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    /// Bytes of the weights, as they will be kept.
    fn weight_bytes(&self) -> usize {
        let bytes = self.program.plan().constant_bytes();
        bytes * self.precision.float().size() / size_of::<f32>()
    }

    /// The model's part of a device, opened where this is its first session.
    fn on_device(&self, index: usize) -> Result<OnDevice, Fault> {
        let mut devices = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = devices.get(&index).filter(|known| !known.device.is_lost()) {
            return Ok(known.clone());
        }
        let device = device::open(index)?;
        let memory = device.memory()?;
        let wanted = self.weight_bytes();
        if wanted > memory.free {
            let (free, total) = (memory.free, memory.total);
            return Err(Fault::OutOfMemory { device: index, wanted, free, total });
        }
        let weights = Arc::new(Weights::new(Arena::new(device.stream()?)));
        let opened = OnDevice { device, weights };
        devices.insert(index, opened.clone());
        Ok(opened)
    }

    fn open(&self, index: usize) -> Result<GpuSession, OpError> {
        let OnDevice { device, weights } = self.on_device(index)?;
        let context = Context::new(device.stream()?, self.precision, self.program.plan().clone(), weights);
        GpuSession::new(context, self.program.clone(), self.spec.batches())
    }
}

impl Model for GpuModel {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn session(&self, options: &SessionOptions) -> Result<Box<dyn Session>> {
        if options.placement.kind != DeviceKind::Gpu {
            return Err(Error::new(ErrorCode::Internal, "a session on the CPU was asked of a model on GPUs"));
        }
        let session = self.open(options.placement.index).map_err(|error| error.at("GPU"))?;
        Ok(Box::new(session))
    }

    fn memory(&self) -> Vec<MemoryUse> {
        let devices = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
        let used = |(&index, known): (&usize, &OnDevice)| {
            // Before the first run the weights are not there yet.
            let bytes = known.weights.bytes().max(self.weight_bytes()) as u64;
            MemoryUse { placement: Placement { kind: DeviceKind::Gpu, index }, bytes }
        };
        devices.iter().map(used).collect()
    }
}
