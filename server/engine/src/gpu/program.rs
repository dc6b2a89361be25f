//! A plan with the implementations of its steps, and one run of it.

use std::{collections::BTreeMap, sync::Arc};

use smallvec::SmallVec;

use super::{
    context::Context,
    ops::{self, DeviceOp, Given, Made},
    tensor::Held,
    transfer,
};
use crate::{
    error::{OpError, Result},
    graph::Node,
    ops::{Inputs, RunContext},
    plan::Plan,
    value::Value,
};

/// See the module. Shared by all sessions of a model on all devices.
#[derive(Debug)]
pub(crate) struct Program {
    plan: Arc<Plan>,
    steps: Vec<Option<Box<dyn DeviceOp>>>,
}

impl Program {
    pub(crate) fn new(plan: Arc<Plan>) -> Self {
        let steps = plan.nodes().enumerate().map(|(step, node)| ops::find(step, node)).collect();
        Self { plan, steps }
    }

    pub(crate) const fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// How often each operator runs that has no kernel, by name.
    pub(crate) fn on_host(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        let without = self.plan.nodes().zip(&self.steps).filter(|(_, step)| step.is_none());
        without.for_each(|(node, _)| *counts.entry(node.op_type).or_default() += 1);
        counts
    }

    /// Puts every step into the context's queue, or runs it on the host.
    ///
    /// # Errors
    /// That of the step that failed, with its node's name.
    pub(crate) fn run(&self, context: &Context, inputs: Vec<Held>, run: &RunContext) -> Result<Vec<Held>> {
        let constant = |i: usize| self.plan.constants().get(i).map(|value| Held::Constant(i, value.clone()));
        self.plan.walk_over(inputs, run, &constant, &mut |step, node, inputs| {
            self.step(context, step, node, &inputs, run)
        })
    }

    fn step(
        &self,
        context: &Context,
        step: usize,
        node: &Node,
        inputs: &[Option<Held>],
        run: &RunContext,
    ) -> Result<SmallVec<[Held; 2]>> {
        let any_on_device = inputs.iter().flatten().any(Held::is_device);
        if let Some(Some(op)) = self.steps.get(step)
            && any_on_device
        {
            match op.run(context, &Given(inputs)) {
                Ok(Some(made)) => return Ok(made),
                // More axes than kernels walk over, say.
                Ok(None) | Err(OpError::Unsupported(_)) => {}
                Err(error) => return Err(error),
            }
        }
        on_host(context, node, inputs, run)
    }
}

fn on_host(context: &Context, node: &Node, inputs: &[Option<Held>], run: &RunContext) -> Result<Made> {
    let mut values = Vec::with_capacity(inputs.len());
    for held in inputs {
        values.push(held.as_ref().map(|held| value(context, held)).transpose()?);
    }
    if context.is_capturing() && !node.op.is_pure() {
        return Err(context.refuse("a step gives another result each time"));
    }
    let made = node.op.eval(Inputs::new(values), run)?;
    // Numbers that came from the device go on there; integers may be sizes, which the host wants.
    let returns = inputs.iter().flatten().any(Held::is_device);
    let place = |value: Value| {
        let held = Held::Host(value);
        let floats =
            held.host().and_then(|value| value.tensor().ok()).is_some_and(|tensor| tensor.elem().is_float());
        Ok(if returns && floats { context.device(&held)?.map_or(held, Held::Device) } else { held })
    };
    made.into_iter().map(place).collect()
}

/// The host's copy of a value.
fn value(context: &Context, held: &Held) -> Result<Value> {
    match held {
        Held::Host(value) | Held::Constant(_, value) => Ok(value.clone()),
        Held::Device(tensor) => transfer::download(context, tensor),
    }
}
