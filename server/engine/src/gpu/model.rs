//! A model on GPUs: its program, and its weights once for each device.
//!
//! Invariants: a device that was lost is let go before it is opened anew, or what broke it would still be there; while
//! one is opened, sessions on others go on.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use girandole_core::{
    Batch, BatchOutputs, DeviceKind, Error, ErrorCode, MemoryUse, Model, ModelSpec, Placement,
    PrecisionReport, Result, Session, SessionOptions,
};
use girandole_cuda::{Arena, Fault, Gpu, device};

use super::{
    buckets::Buckets,
    context::Context,
    dtype::Precision,
    growth::Growth,
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
    growth: Arc<Growth>,
    guard: Guard,
    /// The first device that sessions will be opened on.
    first: usize,
    opener: Opener,
    state: Mutex<State>,
}

struct State {
    precision: Precision,
    devices: HashMap<usize, OnDevice>,
}

/// Opens the GPU of a number, or gives the one that is open.
type Opener = Box<dyn Fn(usize) -> Result<Arc<dyn Gpu>, Fault> + Send + Sync>;

/// The model on one device.
#[derive(Clone)]
struct OnDevice {
    device: Arc<dyn Gpu>,
    weights: Arc<Weights>,
}

/// How a model is computed, and where first.
#[derive(Clone, Debug)]
pub(crate) struct GpuOptions {
    pub(crate) precision: Precision,
    pub(crate) guard: Guard,
    pub(crate) buckets: Buckets,
    pub(crate) first: usize,
}

impl GpuModel {
    pub(crate) fn new(plan: Plan, options: GpuOptions) -> Result<Self> {
        Self::with(plan, options, Box::new(|index| Ok(device::open(index)?)))
    }

    /// As [`Self::new`], on devices that `opener` opens.
    pub(super) fn with(plan: Plan, options: GpuOptions, opener: Opener) -> Result<Self> {
        if plan.outputs().any(|info| info.fact.map_keys.is_some()) {
            return Err(Error::invalid("a model that gives maps runs on the CPU only; use KIND_CPU"));
        }
        let spec = model::spec_of(&plan)?;
        let program = Arc::new(Program::new(Arc::new(plan)));
        let GpuOptions { precision, guard, buckets, first } = options;
        let growth = Arc::new(Growth::new(program.plan(), spec.batches(), buckets));
        let state = State { precision, devices: HashMap::new() };
        Ok(Self { program, spec, growth, guard, first, opener, state: Mutex::new(state) })
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

    /// The model's part of a device, opened where this is its first session, and what it is computed with.
    fn on_device(&self, index: usize) -> Result<(OnDevice, Precision), Fault> {
        let known = |state: &State| Some((state.devices.get(&index)?.clone(), state.precision));
        let asked = {
            let mut state = self.state();
            state.devices.retain(|_, known| !known.device.is_lost());
            if let Some(known) = known(&state) {
                return Ok(known);
            }
            state.precision
        };
        // Slow, and slowest where the device is broken: those on other devices must not wait for it.
        let opened = self.part_of((self.opener)(index)?, asked)?;
        let mut state = self.state();
        // Another session of this device may have been faster.
        let part = state.devices.entry(index).or_insert(opened).clone();
        Ok((part, state.precision))
    }

    /// Weights of their own on a device, if they fit.
    fn part_of(&self, device: Arc<dyn Gpu>, precision: Precision) -> Result<OnDevice, Fault> {
        let memory = device.memory()?;
        let wanted = self.weight_bytes(precision);
        if wanted > memory.free {
            let (free, total) = (memory.free, memory.total);
            return Err(Fault::OutOfMemory { device: device.index(), wanted, free, total });
        }
        let weights = Arc::new(Weights::new(Arena::new(device.clone().stream()?)));
        Ok(OnDevice { device, weights })
    }

    fn open(&self, index: usize) -> Result<GpuSession, OpError> {
        let (part, precision) = self.on_device(index)?;
        self.session_on(part, precision)
    }

    fn session_on(&self, part: OnDevice, precision: Precision) -> Result<GpuSession, OpError> {
        let stream = part.device.clone().stream()?;
        let context = Context::new(stream, precision, self.program.plan().clone(), part.weights);
        GpuSession::new(context, self.program.clone(), self.growth.clone())
    }

    /// How far this precision is from full precision on a batch.
    fn error_of(&self, sample: &Batch) -> Result<f64> {
        let full = {
            let part = (self.opener)(self.first).and_then(|device| self.part_of(device, Precision::Fp32));
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

    fn buckets(&self) -> Option<girandole_core::Buckets> {
        self.growth.listed()
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
