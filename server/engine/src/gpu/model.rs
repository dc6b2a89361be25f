//! A model on GPUs: its program, and its weights once for each device.
//!
//! Invariant: a device that was lost is let go before it is opened anew, or what broke it would still be there.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use girandole_core::{
    Batch, BatchOutputs, DeviceKind, Error, ErrorCode, MemoryUse, Model, ModelSpec, Placement,
    PrecisionReport, Result, Session, SessionOptions,
};
use girandole_cuda::{
    Arena, Fault,
    device::{self, Device},
};

use super::{
    context::Context,
    dtype::Precision,
    guard::{self, Guard},
    program::Program,
    session::GpuSession,
    weights::Weights,
};
use crate::{error::OpError, model, plan::Plan};

/// See the module.
pub(crate) struct GpuModel {
    program: Arc<Program>,
    spec: ModelSpec,
    guard: Guard,
    /// The first device that sessions will be opened on.
    first: usize,
    state: Mutex<State>,
}

struct State {
    precision: Precision,
    devices: HashMap<usize, OnDevice>,
}

/// The model on one device.
#[derive(Clone)]
struct OnDevice {
    device: Arc<Device>,
    weights: Arc<Weights>,
}

/// How a model is computed, and where first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GpuOptions {
    pub(crate) precision: Precision,
    pub(crate) guard: Guard,
    pub(crate) first: usize,
}

impl GpuModel {
    pub(crate) fn new(plan: Plan, options: GpuOptions) -> Result<Self> {
        if plan.outputs().any(|info| info.fact.map_keys.is_some()) {
            return Err(Error::invalid("a model that gives maps runs on the CPU only; use KIND_CPU"));
        }
        let spec = model::spec_of(&plan)?;
        let program = Arc::new(Program::new(Arc::new(plan)));
        let GpuOptions { precision, guard, first } = options;
        let state = State { precision, devices: HashMap::new() };
        Ok(Self { program, spec, guard, first, state: Mutex::new(state) })
    }

    /// The program.
    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of the weights, as they will be kept.
    fn weight_bytes(&self, precision: Precision) -> usize {
        let bytes = self.program.plan().constant_bytes();
        bytes * precision.float().size() / size_of::<f32>()
    }

    /// The model's part of a device, opened where this is its first session.
    fn on_device(&self, state: &mut State, index: usize) -> Result<OnDevice, Fault> {
        state.devices.retain(|_, known| !known.device.is_lost());
        if let Some(known) = state.devices.get(&index) {
            return Ok(known.clone());
        }
        let opened = self.part_of(device::open(index)?, state.precision)?;
        state.devices.insert(index, opened.clone());
        Ok(opened)
    }

    /// Weights of their own on a device, if they fit.
    fn part_of(&self, device: Arc<Device>, precision: Precision) -> Result<OnDevice, Fault> {
        let memory = device.memory()?;
        let wanted = self.weight_bytes(precision);
        if wanted > memory.free {
            let (free, total) = (memory.free, memory.total);
            return Err(Fault::OutOfMemory { device: device.index(), wanted, free, total });
        }
        let weights = Arc::new(Weights::new(Arena::new(device.stream()?)));
        Ok(OnDevice { device, weights })
    }

    fn open(&self, index: usize) -> Result<GpuSession, OpError> {
        let mut state = self.state();
        let opened = self.on_device(&mut state, index)?;
        let precision = state.precision;
        drop(state);
        self.session_on(opened, precision)
    }

    fn session_on(&self, part: OnDevice, precision: Precision) -> Result<GpuSession, OpError> {
        let stream = part.device.stream()?;
        let context = Context::new(stream, precision, self.program.plan().clone(), part.weights);
        GpuSession::new(context, self.program.clone(), self.spec.batches())
    }

    /// How far this precision is from full precision on a batch.
    fn error_of(&self, sample: &Batch) -> Result<f64> {
        let full = {
            let part = device::open(self.first).and_then(|device| self.part_of(device, Precision::Fp32));
            let part = part.map_err(|fault| OpError::from(fault).at("GPU"))?;
            self.once(self.session_on(part, Precision::Fp32), sample)?
        };
        let came = self.once(self.open(self.first), sample)?;
        guard::error_of(&came, &full)
    }

    fn once(&self, session: Result<GpuSession, OpError>, sample: &Batch) -> Result<BatchOutputs> {
        session.map_err(|error| error.at("GPU"))?.execute(sample)
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
        let state = self.state();
        let used = |(&index, known): (&usize, &OnDevice)| {
            // Before the first run the weights are not there yet.
            let bytes = known.weights.bytes().max(self.weight_bytes(state.precision)) as u64;
            MemoryUse { placement: Placement { kind: DeviceKind::Gpu, index }, bytes }
        };
        state.devices.iter().map(used).collect()
    }

    fn check_precision(&self, sample: Result<&Batch>) -> Result<Option<PrecisionReport>> {
        let asked = self.state().precision;
        if asked == Precision::Fp32 {
            return Ok(None);
        }
        let measured =
            sample.and_then(|sample| self.error_of(sample)).map_err(|error| error.message().to_owned());
        let (serves, report) = self.guard.decide(asked, measured)?;
        if serves != asked {
            let mut state = self.state();
            state.precision = serves;
            state.devices.clear();
        }
        Ok(Some(report))
    }
}
