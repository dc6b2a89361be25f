//! A program on a GPU run over values: for tests and tools, which have no batches.

use std::sync::Arc;

use girandole_cuda::{Arena, Gpu, Queue, device};

use super::{context::Context, dtype::Precision, program::Program, tensor::Held, transfer, weights::Weights};
use crate::{error::Result, ops::RunContext, plan::Plan, value::Value};

/// See the module.
pub struct Runner {
    context: Context,
    program: Program,
}

impl Runner {
    /// On GPU `index`; the plan is one made for [`Target::Gpu`](crate::Target).
    ///
    /// # Errors
    /// What is missing, or what the device says.
    pub fn new(plan: Plan, precision: Precision, index: usize) -> Result<Self> {
        Self::on(plan, precision, device::open(index)?.stream()?)
    }

    /// On a queue.
    pub(crate) fn on(plan: Plan, precision: Precision, queue: Arc<dyn Queue>) -> Result<Self> {
        queue.enter()?;
        let program = Program::new(Arc::new(plan));
        let weights = Arc::new(Weights::new(Arena::new(queue.clone())));
        let context = Context::new(queue, precision, program.plan().clone(), weights);
        Ok(Self { context, program })
    }

    /// Runs it step by step: a value for each input gives a value for each output.
    ///
    /// # Errors
    /// That of the step that failed.
    pub fn run(&self, inputs: Vec<Value>) -> Result<Vec<Value>> {
        let held = self.held(inputs)?;
        self.values(self.program.run(&self.context, held, &RunContext::default())?)
    }

    /// Runs it step by step, captures the same as a graph, and runs that; `None` where it cannot be captured.
    ///
    /// # Errors
    /// That of the step that failed.
    pub fn replay(&self, inputs: Vec<Value>) -> Result<Option<Vec<Value>>> {
        let held = self.held(inputs)?;
        let walk = || self.program.run(&self.context, held.clone(), &RunContext::default());
        walk()?;
        if !held.iter().all(Held::is_device) {
            return Ok(None);
        }
        let captured = self.context.capture(walk);
        let (made, graph, _kept) = match captured {
            Ok(captured) => captured,
            Err(_) if self.context.has_refused() => return Ok(None),
            Err(other) => return Err(other),
        };
        self.context.queue.replay(&graph)?;
        let values = self.values(made)?;
        self.context.queue.synchronize()?;
        Ok(Some(values))
    }

    /// The names of the operators that run on the host.
    pub fn on_host(&self) -> Vec<&'static str> {
        self.program.on_host().into_keys().collect()
    }

    /// Every input on the device that can be there.
    fn held(&self, inputs: Vec<Value>) -> Result<Vec<Held>> {
        let place = |value: Value| {
            let held = Held::Host(value);
            Ok(self.context.device(&held)?.map_or(held, Held::Device))
        };
        inputs.into_iter().map(place).collect()
    }

    fn values(&self, made: Vec<Held>) -> Result<Vec<Value>> {
        let value = |held: Held| match held {
            Held::Host(value) | Held::Constant(_, value) => Ok(value),
            Held::Device(tensor) => transfer::download(&self.context, &tensor),
        };
        made.into_iter().map(value).collect()
    }
}
