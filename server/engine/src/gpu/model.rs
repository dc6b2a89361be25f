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
    admission::{Allowance, Ask, Needs, admit},
    buckets::Buckets,
    context::Context,
    dtype::Precision,
    graph_memory::GraphMemory,
    graphs::Graphs,
    growth::Growth,
    guard::{self, Guard},
    program::Program,
    session::{GpuSession, Holdings},
    weights::Weights,
};
use crate::{error::OpError, model, plan::Plan};

/// See the module.
pub(crate) struct GpuModel {
    program: Arc<Program>,
    spec: ModelSpec,
    growth: Arc<Growth>,
    guard: Guard,
    graph_memory: GraphMemory,
    /// The first device that sessions will be opened on.
    first: usize,
    opener: Opener,
    state: Mutex<State>,
}

struct State {
    computes: Computes,
    devices: HashMap<usize, OnDevice>,
    /// Held by who opens a device, so that a second session of it asks for no second copy of the weights.
    opening: HashMap<usize, Arc<Mutex<()>>>,
}

/// What sessions compute with, and what that was seen to need.
#[derive(Clone)]
struct Computes {
    precision: Precision,
    needs: Arc<Needs>,
}

/// Opens the GPU of a number, or gives the one that is open.
type Opener = Box<dyn Fn(usize) -> Result<Arc<dyn Gpu>, Fault> + Send + Sync>;

/// The model on one device.
#[derive(Clone)]
struct OnDevice {
    device: Arc<dyn Gpu>,
    weights: Arc<Weights>,
    /// Bytes that the graphs of one session may hold.
    graphs: usize,
}

/// How a model is computed, and where first.
#[derive(Clone, Debug)]
pub(crate) struct GpuOptions {
    pub(crate) precision: Precision,
    pub(crate) guard: Guard,
    pub(crate) buckets: Buckets,
    pub(crate) graph_memory: GraphMemory,
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
        let GpuOptions { precision, guard, buckets, graph_memory, first } = options;
        let growth = Arc::new(Growth::new(program.plan(), spec.batches(), buckets));
        let state =
            State { computes: Computes::new(precision), devices: HashMap::new(), opening: HashMap::new() };
        Ok(Self { program, spec, growth, guard, graph_memory, first, opener, state: Mutex::new(state) })
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
    fn on_device(&self, index: usize) -> Result<(OnDevice, Computes), OpError> {
        let opening = self.state().opening.entry(index).or_default().clone();
        let _opening = opening.lock().unwrap_or_else(PoisonError::into_inner);
        let computes = {
            let mut state = self.state();
            let there = state.devices.len();
            state.devices.retain(|_, known| !known.device.is_lost());
            if state.devices.len() < there {
                // Sessions that had room before are not kept out by the largest batch that one of them ever ran.
                state.computes.needs = Arc::default();
            }
            let computes = state.computes.clone();
            if let Some(known) = state.devices.get(&index) {
                return Ok((known.clone(), computes));
            }
            computes
        };
        // Slow, and slowest where the device is broken: those on other devices must not wait for it.
        let opened = self.part_of((self.opener)(index)?, computes.precision)?;
        self.state().devices.insert(index, opened.clone());
        Ok((opened, computes))
    }

    /// Weights of their own on a device, if they fit.
    fn part_of(&self, device: Arc<dyn Gpu>, precision: Precision) -> Result<OnDevice, OpError> {
        let promise = admit(&*device, Ask::Weights(self.weight_bytes(precision)))?;
        let weights = Arc::new(Weights::promised(Arena::new(device.clone().stream()?), promise));
        let graphs = self.graph_memory.bytes(device.memory()?.total);
        Ok(OnDevice { device, weights, graphs })
    }

    fn open(&self, index: usize) -> Result<GpuSession, OpError> {
        let (part, computes) = self.on_device(index)?;
        self.session_on(part, computes)
    }

    fn session_on(&self, part: OnDevice, computes: Computes) -> Result<GpuSession, OpError> {
        let Computes { precision, needs } = computes;
        let mut allowance = Allowance::new(part.device.clone(), self.weight_bytes(precision), needs);
        allowance.admit()?;
        let context =
            Context::new(part.device.stream()?, precision, self.program.plan().clone(), part.weights);
        let held = Holdings { allowance, graphs: Graphs::new(part.graphs) };
        GpuSession::new(context, self.program.clone(), self.growth.clone(), held)
    }

    /// How far this precision is from full precision on a batch.
    fn error_of(&self, sample: &Batch) -> Result<f64> {
        let full = {
            let opened = (self.opener)(self.first).map_err(OpError::from);
            let part = opened.and_then(|device| self.part_of(device, Precision::Fp32));
            let session = part.and_then(|part| self.session_on(part, Computes::new(Precision::Fp32)));
            self.once(session, sample)?
        };
        let came = self.once(self.open(self.first), sample)?;
        guard::error_of(&came, &full)
    }

    fn once(&self, session: Result<GpuSession, OpError>, sample: &Batch) -> Result<BatchOutputs> {
        session.map_err(|error| error.at("GPU"))?.execute(sample)
    }
}

impl Computes {
    fn new(precision: Precision) -> Self {
        Self { precision, needs: Arc::default() }
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
            let bytes = known.weights.bytes().max(self.weight_bytes(state.computes.precision)) as u64;
            MemoryUse { placement: Placement { kind: DeviceKind::Gpu, index }, bytes }
        };
        state.devices.iter().map(used).collect()
    }

    fn buckets(&self) -> Option<girandole_core::Buckets> {
        self.growth.listed()
    }

    fn check_precision(&self, sample: Result<&Batch>) -> Result<Option<PrecisionReport>> {
        let asked = self.state().computes.precision;
        if asked == Precision::Fp32 {
            return Ok(None);
        }
        let measured =
            sample.and_then(|sample| self.error_of(sample)).map_err(|error| error.message().to_owned());
        let (serves, report) = self.guard.decide(asked, measured)?;
        if serves != asked {
            let mut state = self.state();
            state.computes = Computes::new(serves);
            state.devices.clear();
        }
        Ok(Some(report))
    }
}
