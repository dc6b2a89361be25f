//! A graph made ready to run: steps in order, where each takes its values from, and what dies after it.
//!
//! Immutable and shared by every session. Invariants: a slot is filled before a step reads it, and the last
//! step that reads it takes the value out, so that its storage is free as early as possible.

use smallvec::SmallVec;

use crate::{
    error::{OpError, Result},
    graph::{Graph, Node, ValueId, ValueInfo},
    ops::{Inputs, Op, Outputs, RunContext},
    padding::Verdict,
    value::{Tensor, Value},
};

/// What runs a step: told its number, its node and its inputs, it gives its outputs.
type Eval<'e, 'a, V> = dyn FnMut(usize, &'a Node, Vec<Option<V>>) -> Result<SmallVec<[V; 2]>> + 'e;

/// Where a step takes a value from.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// A constant of the plan.
    Constant(usize),
    /// A slot that is read again later.
    Slot(usize),
    /// A slot that this is the last reader of.
    LastUse(usize),
    /// An optional input that is left out.
    Absent,
}

#[derive(Debug)]
struct Step {
    node: Node,
    inputs: Vec<Source>,
    /// The slot of each output; `None` where nobody reads it.
    outputs: Vec<Option<usize>>,
}

/// A graph made ready to run.
#[derive(Debug)]
pub struct Plan {
    steps: Vec<Step>,
    constants: Vec<Value>,
    slots: usize,
    inputs: Vec<Option<usize>>,
    outputs: Vec<Source>,
    values: Vec<ValueInfo>,
    input_ids: Vec<ValueId>,
    output_ids: Vec<ValueId>,
    padding: Option<Verdict>,
}

impl Plan {
    /// Plans a graph.
    ///
    /// # Errors
    /// `Invalid` where a value is used that nothing makes.
    pub fn new(graph: Graph) -> Result<Self> {
        Builder::new(&graph).build(graph)
    }

    /// Runs it: a value for each input gives a value for each output.
    ///
    /// # Errors
    /// That of the node that failed, with its name.
    pub fn run(&self, inputs: Vec<Value>, run: &RunContext) -> Result<Vec<Value>> {
        self.walk(inputs, run, &mut |_, node, inputs| node.op.eval(Inputs::new(inputs), run))
    }

    /// As [`Self::run`], and tells `done` of each node that has run, also of those inside of a node that has a
    /// [body](crate::ops::Op::body), which runs once over the whole inputs.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn observed<'a>(
        &'a self,
        inputs: Vec<Value>,
        run: &RunContext,
        done: &mut dyn FnMut(&'a Node),
    ) -> Result<Vec<Value>> {
        self.walk(inputs, run, &mut |_, node, inputs| {
            if let Some(body) = node.op.body() {
                return Ok(body.observed(inputs.into_iter().flatten().collect(), run, done)?.into());
            }
            let made = node.op.eval(Inputs::new(inputs), run)?;
            done(node);
            Ok(made)
        })
    }

    /// Runs every step by `eval`, which is told the step's number, its node and its inputs.
    fn walk<'a>(
        &'a self,
        inputs: Vec<Value>,
        run: &RunContext,
        eval: &mut dyn FnMut(usize, &'a Node, Vec<Option<Value>>) -> Result<Outputs>,
    ) -> Result<Vec<Value>> {
        self.walk_over(inputs, run, &|i| self.constants.get(i).cloned(), eval)
    }

    /// As [`Self::walk`], over values of any kind, of which `constant` gives the constants by their numbers.
    pub(crate) fn walk_over<'a, V: Clone>(
        &'a self,
        inputs: Vec<V>,
        run: &RunContext,
        constant: &dyn Fn(usize) -> Option<V>,
        eval: &mut Eval<'_, 'a, V>,
    ) -> Result<Vec<V>> {
        if inputs.len() != self.inputs.len() {
            return Err(OpError::invalid(format!(
                "expected {} inputs, got {}",
                self.inputs.len(),
                inputs.len()
            )));
        }
        let mut slots: Vec<Option<V>> = vec![None; self.slots];
        for (value, slot) in inputs.into_iter().zip(&self.inputs) {
            if let Some(slot) = slot {
                slots[*slot] = Some(value);
            }
        }
        for (number, step) in self.steps.iter().enumerate() {
            run.check()?;
            let inputs = step.inputs.iter().map(|&source| take(source, &mut slots, constant)).collect();
            let made = eval(number, &step.node, inputs);
            made.and_then(|made| step.keep(made, &mut slots)).map_err(|error| error.at(&step.node.name))?;
        }
        self.outputs.iter().map(|&source| take(source, &mut slots, constant)).map(required).collect()
    }

    /// The nodes that run, in order.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.steps.iter().map(|step| &step.node)
    }

    /// The inputs, in order.
    pub fn inputs(&self) -> impl Iterator<Item = &ValueInfo> {
        self.input_ids.iter().map(|id| &self.values[id.index()])
    }

    /// The outputs, in order.
    pub fn outputs(&self) -> impl Iterator<Item = &ValueInfo> {
        self.output_ids.iter().map(|id| &self.values[id.index()])
    }

    /// What is known of a value of this plan.
    pub fn value(&self, id: ValueId) -> &ValueInfo {
        &self.values[id.index()]
    }

    /// Whether sequences may be padded, where that was asked.
    pub(crate) const fn padding(&self) -> Option<&Verdict> {
        self.padding.as_ref()
    }

    /// Bytes that the constants take, and the weights that operators hold.
    pub fn constant_bytes(&self) -> usize {
        let constants = self.constants.iter().filter_map(|value| value.tensor().ok()).map(Tensor::bytes);
        let held = self.nodes().map(|node| node.op.constant_bytes());
        constants.chain(held).sum()
    }

    /// The operator of step `number`.
    pub(crate) fn operator(&self, number: usize) -> Option<&dyn Op> {
        self.steps.get(number).map(|step| &*step.node.op)
    }

    /// The constants, by number.
    pub(crate) fn constants(&self) -> &[Value] {
        &self.constants
    }
}

fn take<V: Clone>(
    source: Source,
    slots: &mut [Option<V>],
    constant: &dyn Fn(usize) -> Option<V>,
) -> Option<V> {
    match source {
        Source::Constant(i) => constant(i),
        Source::Slot(i) => slots.get(i).cloned().flatten(),
        Source::LastUse(i) => slots.get_mut(i).and_then(Option::take),
        Source::Absent => None,
    }
}

impl Step {
    /// Puts what the node made into its slots.
    fn keep<V>(&self, made: SmallVec<[V; 2]>, slots: &mut [Option<V>]) -> Result<()> {
        let mut made = made.into_iter();
        for (i, slot) in self.outputs.iter().enumerate() {
            let value = made.next();
            if let Some(slot) = slot {
                let value =
                    value.ok_or_else(|| OpError::unsupported(format!("output {i} is not supported")))?;
                slots[*slot] = Some(value);
            }
        }
        Ok(())
    }
}

fn required<V>(value: Option<V>) -> Result<V> {
    value.ok_or_else(|| OpError::invalid("an output of the graph was never made"))
}

/// Assigns slots and finds each value's last reader.
struct Builder {
    /// The last step that reads a value, and by which of its inputs; outputs of the graph are read by the step
    /// past the end.
    last_use: Vec<Option<(usize, usize)>>,
    slot_of: Vec<Option<usize>>,
    constants: Vec<Value>,
    slots: usize,
}

impl Builder {
    fn new(graph: &Graph) -> Self {
        let mut last_use = vec![None; graph.values.len()];
        for (step, node) in graph.nodes.iter().enumerate() {
            let inputs = node.inputs.iter().enumerate().filter_map(|(i, id)| Some((i, (*id)?)));
            inputs.for_each(|(i, id)| last_use[id.index()] = Some((step, i)));
        }
        graph.outputs.iter().for_each(|id| last_use[id.index()] = Some((graph.nodes.len(), 0)));
        Self { last_use, slot_of: vec![None; graph.values.len()], constants: Vec::new(), slots: 0 }
    }

    fn build(mut self, mut graph: Graph) -> Result<Plan> {
        let nodes = std::mem::take(&mut graph.nodes);
        let inputs = graph.inputs.iter().map(|&id| self.slot(id)).collect();
        let mut steps = Vec::with_capacity(nodes.len());
        for (index, node) in nodes.into_iter().enumerate() {
            let sources = self.sources(&graph, index, &node)?;
            let outputs = node.outputs.iter().map(|id| id.and_then(|id| self.slot(id))).collect();
            steps.push(Step { node, inputs: sources, outputs });
        }
        let outputs =
            graph.outputs.iter().map(|&id| self.source(&graph, id, false)).collect::<Result<Vec<_>>>()?;
        Ok(Plan {
            steps,
            constants: self.constants,
            slots: self.slots,
            inputs,
            outputs,
            values: graph.values,
            input_ids: graph.inputs,
            output_ids: graph.outputs,
            padding: graph.padding,
        })
    }

    fn sources(&mut self, graph: &Graph, step: usize, node: &Node) -> Result<Vec<Source>> {
        let mut sources = Vec::with_capacity(node.inputs.len());
        for (i, id) in node.inputs.iter().enumerate() {
            let Some(id) = *id else {
                sources.push(Source::Absent);
                continue;
            };
            let last = self.last_use[id.index()] == Some((step, i));
            sources.push(self.source(graph, id, last)?);
        }
        Ok(sources)
    }

    fn source(&mut self, graph: &Graph, id: ValueId, last: bool) -> Result<Source> {
        let info = &graph.values[id.index()];
        if let Some(value) = &info.fact.constant {
            self.constants.push(value.clone());
            return Ok(Source::Constant(self.constants.len() - 1));
        }
        let slot = self.slot_of[id.index()]
            .ok_or_else(|| OpError::invalid(format!("value '{}' is used but never made", info.name)))?;
        Ok(if last { Source::LastUse(slot) } else { Source::Slot(slot) })
    }

    /// A slot for a value that somebody reads.
    fn slot(&mut self, id: ValueId) -> Option<usize> {
        self.last_use[id.index()]?;
        let slot = self.slots;
        self.slots += 1;
        self.slot_of[id.index()] = Some(slot);
        Some(slot)
    }
}
