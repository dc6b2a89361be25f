//! `Scan`: a subgraph over the slices of tensors, with state. Opset 8 (with a batch) and 9 and above.

use super::{
    body::{Body, Formals},
    stack::{axis_of, select, stack, stack_at},
};
use crate::{
    error::{OpError, Result},
    graph::Fact,
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed},
    value::{Tensor, Value},
};

pub(super) const OPS: &[OpDef] = &[OpDef::onnx("Scan", 8, parse)];

#[derive(Debug)]
struct Scan {
    body: Body,
    states: usize,
    /// Axis and whether it goes backwards, for each scanned input.
    inputs: Vec<(i64, bool)>,
    /// The same for each scanned output.
    outputs: Vec<(i64, bool)>,
    /// Opset 8: the first input is sequence lengths, the first dimension of all others a batch.
    batched: bool,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let body = Body::parse(node, "body")?;
    let batched = node.opset() == 8;
    let scanned = usize::try_from(node.required_int("num_scan_inputs")?).unwrap_or(0);
    let given = node.input_count() - usize::from(batched && node.input_count() > 0);
    let states = given.checked_sub(scanned).filter(|_| scanned > 0);
    let states = states.ok_or_else(|| OpError::invalid("num_scan_inputs does not fit the inputs"))?;
    let made = body.output_count().checked_sub(states).filter(|_| body.input_count() == given);
    let made = made.ok_or_else(|| OpError::invalid("the body's inputs and outputs do not fit the scan's"))?;
    let (axes, directions) =
        if batched { ("", "directions") } else { ("scan_input_axes", "scan_input_directions") };
    let inputs = pairs(node, axes, directions, scanned)?;
    let outputs = pairs(node, "scan_output_axes", "scan_output_directions", made)?;
    boxed(Scan { body, states, inputs, outputs, batched })
}

fn pairs(node: &NodeDef<'_>, axes: &str, directions: &str, count: usize) -> Result<Vec<(i64, bool)>> {
    let axes = node.ints(axes)?.unwrap_or_default();
    let backwards = node.ints(directions)?.unwrap_or_default();
    let at = |all: &[i64], i: usize| all.get(i).copied().unwrap_or(0);
    Ok((0..count).map(|i| (at(&axes, i), at(&backwards, i) != 0)).collect())
}

impl Op for Scan {
    fn infer(&self, _inputs: &Facts<'_>, outputs: usize) -> Result<Vec<Fact>> {
        let facts = self.body.facts().iter().map(|fact| Fact { elem: fact.elem, ..Fact::default() });
        Ok(facts.take(outputs).collect())
    }

    fn eval(&self, inputs: Inputs, run: &RunContext) -> Result<Outputs> {
        let mut values = inputs.into_values();
        let captured = self.body.take_captured(&mut values)?;
        let first = usize::from(self.batched);
        let own = values.into_iter().skip(first).take(self.states + self.inputs.len());
        let own = own.map(|value| value.ok_or_else(|| OpError::invalid("an input of the scan is missing")));
        let own = own.collect::<Result<Vec<_>>>()?;
        if self.batched { self.batches(&own, &captured, run) } else { self.scan(own, &captured, run) }
    }

    fn keeps_types(&self) -> bool {
        true
    }
}

impl Scan {
    fn scan(&self, mut states: Vec<Value>, captured: &[Value], run: &RunContext) -> Result<Outputs> {
        let scanned = states.split_off(self.states);
        let scanned = scanned.iter().map(Value::tensor).collect::<Result<Vec<_>>>()?;
        let axes = scanned.iter().zip(&self.inputs).map(|(t, (axis, _))| axis_of(*axis, t.rank()));
        let axes = axes.collect::<Result<Vec<_>>>()?;
        let length = scanned[0].shape()[axes[0]];
        if scanned.iter().zip(&axes).any(|(tensor, &axis)| tensor.shape()[axis] != length) {
            return Err(OpError::invalid("the scanned inputs differ in length"));
        }
        let mut made = vec![Vec::with_capacity(length.min(1 << 16)); self.outputs.len()];
        for step in 0..length {
            run.check_iteration(step as u64)?;
            let mut formals = Formals::from_vec(states);
            for ((tensor, &axis), (_, backwards)) in scanned.iter().zip(&axes).zip(&self.inputs) {
                let index = if *backwards { length - 1 - step } else { step };
                formals.push(select(tensor, axis, index)?.into());
            }
            states = self.body.run(formals, captured.to_vec(), run)?;
            let slices = states.split_off(self.states.min(states.len()));
            made.iter_mut().zip(slices).for_each(|(all, slice)| all.push(slice));
        }
        let mut outputs = Outputs::from_vec(states);
        for (i, all) in made.into_iter().enumerate() {
            outputs.push(self.join(i, all)?.into());
        }
        Ok(outputs)
    }

    fn join(&self, i: usize, mut slices: Vec<Value>) -> Result<Tensor> {
        let (axis, backwards) = self.outputs[i];
        if backwards {
            slices.reverse();
        }
        match slices.first() {
            None => stack(&slices, &self.body.facts()[self.states + i]),
            Some(slice) => stack_at(&slices, axis_of(axis, slice.tensor()?.rank() + 1)?),
        }
    }

    /// Opset 8: each element of the batch by itself.
    fn batches(&self, own: &[Value], captured: &[Value], run: &RunContext) -> Result<Outputs> {
        let size = own.first().map(Value::tensor).transpose()?.and_then(|t| t.shape().first().copied());
        let size = size.filter(|&size| size > 0).ok_or_else(|| OpError::invalid("the scan has no batch"))?;
        let mut columns: Vec<Vec<Value>> = vec![Vec::new(); self.states + self.outputs.len()];
        for index in 0..size {
            let picked = own.iter().map(|value| {
                let tensor = value.tensor()?;
                axis_of(0, tensor.rank())?;
                Ok(Value::Tensor(select(tensor, 0, index)?))
            });
            let outputs = self.scan(picked.collect::<Result<_>>()?, captured, run)?;
            columns.iter_mut().zip(outputs).for_each(|(all, value)| all.push(value));
        }
        columns.iter().map(|all| stack_at(all, 0).map(Value::Tensor)).collect()
    }
}
