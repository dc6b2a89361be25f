//! A session on a GPU: copies a batch into pinned memory and on to the device, replays the graph of its shapes or
//! runs the program step by step, and hands out what comes back.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

use girandole_core::{Batch, BatchOutputs, DeviceRun, Error, ErrorCode, Reply, Result, Session, Shape};
use girandole_cuda::Pinned;

use super::{
    admission::{Allowance, Need},
    clock::{Clock, Mark},
    context::Context,
    graphs::{Captured, Graphs, Key},
    growth::{Grown, Growth},
    inputs::{Input, gather, targets},
    lines,
    program::Program,
    staging::Staging,
    tensor::{DeviceTensor, Held},
    transfer,
    watchdog::Watched,
};
use crate::{
    error::{OpError, Result as OpResult},
    limits,
    ops::RunContext,
    value::{ElemType, Value, to_wire},
};

/// What a session holds of its device's memory, and may.
pub(crate) struct Holdings {
    pub(crate) graphs: Graphs,
    pub(crate) allowance: Allowance,
}

/// One stream of execution over a program.
pub(crate) struct GpuSession {
    graphs: Graphs,
    allowance: Allowance,
    /// Whether a batch has run.
    ran: bool,
    context: Context,
    program: Arc<Program>,
    staging: Staging,
    /// What inputs are gathered in; waited for before it is written to again.
    gathered: Option<Pinned>,
    clock: Clock,
    watched: Arc<Watched>,
    /// How batches may be made larger, so that few graphs serve all shapes.
    growth: Arc<Growth>,
}

impl GpuSession {
    pub(crate) fn new(
        context: Context,
        program: Arc<Program>,
        growth: Arc<Growth>,
        holdings: Holdings,
    ) -> OpResult<Self> {
        let clock = Clock::new(context.queue.clone())?;
        let staging = Staging::new(context.queue.clone());
        let watched = Watched::new(context.queue.clone());
        let (Holdings { graphs, allowance }, gathered, ran) = (holdings, None, false);
        Ok(Self { graphs, allowance, ran, context, program, staging, gathered, clock, watched, growth })
    }

    /// Runs a batch and waits for it.
    pub(crate) fn execute(&mut self, batch: &Batch) -> Result<BatchOutputs> {
        let outcome = self.admitted().and_then(|()| self.attempt(batch));
        let lacks_memory =
            matches!(&outcome, Err(OpError::Placed(error)) if error.code() == ErrorCode::OutOfMemory);
        // What graphs of other shapes and earlier runs hold may be enough.
        let outcome = if lacks_memory && self.give_back()? { self.attempt(batch) } else { outcome };
        outcome.map_err(|error| error.at("model"))
    }

    /// Asks for leave where that could not be asked when the session was opened, since none had been measured.
    fn admitted(&mut self) -> OpResult<()> {
        self.context.queue.enter()?;
        self.allowance.admit().map_err(|error| match error {
            // Other sessions can run what this one has no room for.
            OpError::Placed(error) if error.code() == ErrorCode::OutOfMemory => {
                OpError::Placed(Error::unavailable(error.message()))
            }
            other => other,
        })
    }

    /// Gives back to the device what no batch needs; says whether there was anything.
    fn give_back(&mut self) -> Result<bool> {
        let held = self.holds().bytes();
        self.context.queue.synchronize().map_err(|fault| OpError::from(fault).at("model"))?;
        self.graphs.clear();
        self.context.arena.trim();
        self.allowance.ran_out();
        Ok(self.holds().bytes() < held)
    }

    /// What it holds on its device beside the weights.
    fn holds(&self) -> Need {
        let Context { arena, queue, .. } = &self.context;
        let all = arena.held() + queue.workspaces() + self.graphs.driver_bytes();
        let graphs = self.graphs.bytes();
        Need { working: all.saturating_sub(graphs), graphs }
    }

    fn attempt(&mut self, batch: &Batch) -> OpResult<BatchOutputs> {
        let begin = Instant::now();
        let growth = self.growth.clone();
        let grown = growth.of(batch);
        let inputs = self.inputs(batch, &grown)?;
        let key: Key = inputs.iter().map(|input| input.shape.clone()).collect();
        let gathered = Instant::now();
        let replays = self.graphs.get(&key).is_some();
        let known = self.graphs.known_times(&key);
        self.clock.begin(known.is_none());
        self.clock.mark(Mark::Begin)?;
        let outputs = self.compute(&key, &inputs)?;
        let outputs = self.hand_out(batch, &outputs, &grown)?;
        if !replays {
            self.allowance.holds(self.holds());
        }
        let times = match known {
            Some(times) => times,
            // A run step by step, with what is made ready on the way, says nothing of the graph.
            None if !replays => self.clock.times()?,
            None => self.graphs.timed(&key, self.clock.times()?),
        };
        let phases = known.is_none().then_some(times);
        Ok(BatchOutputs {
            tensors: outputs,
            compute_input: (gathered - begin) + times.copy_in,
            compute_infer: times.compute,
            compute_output: times.copy_out,
            device: Some(DeviceRun { replayed: replays, phases }),
        })
    }

    /// The batch's inputs, as large as the device is to compute them.
    fn inputs<'a>(&self, batch: &'a Batch, grown: &Grown<'_>) -> OpResult<Vec<Input<'a>>> {
        let infos = self.program.plan().inputs().enumerate();
        let input = |(index, info): (usize, &crate::graph::ValueInfo)| {
            let given = batch.inputs.iter().find(|input| input.index == index);
            let given = given.ok_or_else(|| OpError::invalid(format!("input '{}' is missing", info.name)))?;
            Input::new(given, info.fact.elem, grown)
                .map_err(|error| error.of(format!("input '{}'", info.name)))
        };
        infos.map(input).collect()
    }

    /// Runs it all on the device; outputs are kept as the wire wants them.
    fn compute(&mut self, key: &Key, inputs: &[Input<'_>]) -> OpResult<Vec<Held>> {
        if let Some(captured) = self.graphs.get(key) {
            gather(&self.context, &mut self.gathered, inputs, &captured.inputs)?;
            self.clock.mark(Mark::CopiedIn)?;
            self.context.queue.replay(&captured.graph)?;
            self.clock.mark(Mark::Computed)?;
            return Ok(captured.outputs.clone());
        }
        let Some(on_device) = targets(&self.context, inputs)? else { return self.mixed(inputs) };
        gather(&self.context, &mut self.gathered, inputs, &on_device)?;
        self.clock.mark(Mark::CopiedIn)?;
        let made = self.walk(&on_device)?;
        self.clock.mark(Mark::Computed)?;
        self.settle()?;
        if self.graphs.may_capture(key) {
            let captured = self.capture(on_device);
            self.graphs.insert(key.clone(), captured);
        }
        Ok(made)
    }

    /// A run whose inputs are not all for the device.
    fn mixed(&mut self, inputs: &[Input<'_>]) -> OpResult<Vec<Held>> {
        let held: OpResult<Vec<Held>> = inputs.iter().map(Input::on_host).collect();
        self.clock.mark(Mark::CopiedIn)?;
        let mut values = Vec::new();
        for held in held? {
            values.push(self.context.device(&held)?.map_or(held, Held::Device));
        }
        let made = self.finished(values)?;
        self.clock.mark(Mark::Computed)?;
        self.settle()?;
        Ok(made)
    }

    /// After the first run the weights are there, and nobody needs any more what they were made with.
    fn settle(&mut self) -> OpResult<()> {
        if !std::mem::replace(&mut self.ran, true) {
            self.context.weights.complete();
            self.context.queue.synchronize()?;
            self.context.arena.trim();
        }
        Ok(())
    }

    /// Puts the whole program into the queue.
    fn walk(&self, inputs: &[DeviceTensor]) -> OpResult<Vec<Held>> {
        let held: OpResult<Vec<Held>> = inputs
            .iter()
            .map(|tensor| {
                let dtype = self.context.precision.dtype(tensor.elem).unwrap_or(tensor.dtype);
                self.context.cast(tensor, dtype).map(Held::Device)
            })
            .collect();
        self.finished(held?)
    }

    /// The outputs of a run, dense and of the types that the wire knows.
    fn finished(&self, inputs: Vec<Held>) -> OpResult<Vec<Held>> {
        let made = self.program.run(&self.context, inputs, &RunContext::within(limits::RUN))?;
        let finish = |held: Held| match held {
            Held::Device(tensor) => {
                let tensor = self.context.cast(&tensor, transfer::raw(tensor.elem)?)?;
                self.context.dense(&tensor).map(Held::Device)
            }
            host => Ok(host),
        };
        made.into_iter().map(finish).collect()
    }

    /// Captures the run that was just made; `None` where that cannot be.
    fn capture(&self, inputs: Vec<DeviceTensor>) -> Option<Captured> {
        let captured = self.context.capture(|| self.walk(&inputs));
        match captured {
            Ok((outputs, graph, kept)) => Some(Captured::new(graph, inputs, outputs, kept)),
            Err(error) => {
                tracing::debug!(%error, "shapes that no graph was captured for");
                None
            }
        }
    }

    /// The outputs that somebody asked for, without what was added.
    fn hand_out(
        &mut self,
        batch: &Batch,
        made: &[Held],
        grown: &Grown<'_>,
    ) -> OpResult<Vec<girandole_core::Tensor>> {
        let wanted: Vec<Wanted> = batch
            .outputs
            .iter()
            .map(|&index| {
                let held = made
                    .get(index)
                    .ok_or_else(|| OpError::invalid(format!("the model has no output {index}")))?;
                self.download(held, index, grown)
            })
            .collect::<OpResult<_>>()?;
        self.clock.mark(Mark::CopiedOut)?;
        self.context.queue.synchronize()?;
        wanted.into_iter().map(Wanted::tensor).collect()
    }

    fn download(&mut self, held: &Held, index: usize, grown: &Grown<'_>) -> OpResult<Wanted> {
        let tensor = match held {
            Held::Device(tensor) => tensor,
            Held::Host(value) | Held::Constant(_, value) => return Wanted::of_host(value, index, grown),
        };
        let (computed, shape) = grown.output(index, &tensor.shape)?;
        let bytes = computed.elements().unwrap_or(0) * tensor.dtype.size();
        let memory = self.staging.take(bytes)?;
        self.context.queue.download(&memory, tensor.at(), bytes)?;
        let bytes = self.staging.handed_out(memory, bytes);
        Ok(Wanted::Device { elem: tensor.elem, size: tensor.dtype.size(), computed, shape, bytes })
    }
}

/// An output on its way.
enum Wanted {
    Host(girandole_core::Tensor),
    Device { elem: ElemType, size: usize, computed: Shape, shape: Shape, bytes: super::staging::HandedOut },
}

impl Wanted {
    fn of_host(value: &Value, index: usize, grown: &Grown<'_>) -> OpResult<Self> {
        let tensor = to_wire(value.tensor()?)?;
        let (_, shape) = grown.output(index, tensor.shape())?;
        let size = tensor.dtype().size().filter(|_| *tensor.shape() != shape);
        let Some(size) = size else { return Ok(Self::Host(tensor)) };
        let mut bytes = tensor.data().to_vec();
        let left = lines::cut(&mut bytes, size, tensor.shape(), &shape);
        bytes.truncate(left);
        Ok(Self::Host(girandole_core::Tensor::new(tensor.dtype(), shape, bytes.into())?))
    }

    fn tensor(self) -> OpResult<girandole_core::Tensor> {
        match self {
            Self::Host(tensor) => Ok(tensor),
            Self::Device { elem, size, computed, shape, mut bytes } => {
                if computed != shape {
                    bytes.shorten(|bytes| lines::cut(bytes, size, &computed, &shape));
                }
                Ok(girandole_core::Tensor::new(elem.wire(), shape, bytes.into_bytes())?)
            }
        }
    }
}

impl Session for GpuSession {
    fn run(&mut self, batch: Batch, reply: Reply) {
        self.watched.begin(reply);
        let outcome = catch_unwind(AssertUnwindSafe(|| self.execute(&batch)));
        self.watched.end(outcome.unwrap_or_else(|_| Err(Error::internal("the engine failed on this batch"))));
    }

    fn is_lost(&self) -> bool {
        self.context.queue.is_lost()
    }

    fn memory(&self) -> u64 {
        self.holds().bytes() as u64
    }
}

impl Drop for GpuSession {
    fn drop(&mut self) {
        // Nothing may be given back while the device still works with it. A lost one may never end, and gets nothing
        // back.
        if !self.context.queue.is_lost() && self.context.queue.enter().is_ok() {
            let _ = self.context.queue.synchronize();
        }
    }
}
