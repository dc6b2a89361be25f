//! `Loop`: a subgraph again and again, until its condition or its count ends it. Since opset 1.
//!
//! Bounded by [`RunContext::max_iterations`] and its deadline, so that no model file runs for ever.

use super::{
    body::{Body, Formals},
    stack::stack,
};
use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed},
    value::{Bool, Tensor},
};

pub(super) const OPS: &[OpDef] = &[OpDef::onnx("Loop", 1, parse)];

/// Inputs before the carried values: the trip count and the condition.
const HEAD: usize = 2;

#[derive(Debug)]
struct Loop {
    body: Body,
    carried: usize,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let body = Body::parse(node, "body")?;
    let carried = node.input_count().saturating_sub(HEAD);
    if body.input_count() != carried + HEAD || body.output_count() < carried + 1 {
        return Err(OpError::invalid(format!(
            "the body of a loop over {carried} values has {} inputs and {} outputs",
            body.input_count(),
            body.output_count()
        )));
    }
    boxed(Loop { body, carried })
}

impl Op for Loop {
    fn infer(&self, _inputs: &Facts<'_>, outputs: usize) -> Result<Vec<Fact>> {
        let made = self.body.facts().get(1..).unwrap_or_default().iter().enumerate();
        let facts = made.map(|(i, fact)| if i < self.carried { fact.of_any_shape() } else { stacked(fact) });
        Ok(facts.take(outputs).collect())
    }

    fn eval(&self, inputs: Inputs, run: &RunContext) -> Result<Outputs> {
        let trips = inputs.opt_tensor(0)?.map(only_int).transpose()?;
        let mut going =
            inputs.opt_tensor(1)?.map(Tensor::to_scalar::<Bool>).transpose()?.is_none_or(Bool::get);
        let mut values = inputs.into_values();
        let captured = self.body.take_captured(&mut values)?;
        let carried = values.into_iter().skip(HEAD).take(self.carried);
        let missing = || OpError::invalid("a carried value is missing");
        let mut carried = carried.map(|value| value.ok_or_else(missing)).collect::<Result<Vec<_>>>()?;
        let mut scanned = vec![Vec::new(); self.body.output_count() - 1 - self.carried];
        let mut trip: i64 = 0;
        while going && trips.is_none_or(|trips| trip < trips) {
            run.check_iteration(trip.unsigned_abs())?;
            let mut formals = Formals::with_capacity(HEAD + carried.len());
            formals.push(Tensor::scalar(trip)?.into());
            formals.push(Tensor::scalar(Bool::new(going))?.into());
            formals.extend(carried);
            let mut made = self.body.run(formals, captured.clone(), run)?.into_iter();
            let condition = made.next().ok_or_else(missing)?;
            going = condition.tensor()?.to_scalar::<Bool>()?.get();
            carried = made.by_ref().take(self.carried).collect();
            scanned.iter_mut().zip(made).for_each(|(all, value)| all.push(value));
            trip += 1;
        }
        let mut outputs = Outputs::from_vec(carried);
        for (all, fact) in scanned.iter().zip(&self.body.facts()[1 + self.carried..]) {
            outputs.push(stack(all, fact)?.into());
        }
        Ok(outputs)
    }

    fn keeps_types(&self) -> bool {
        true
    }
}

fn only_int(tensor: &Tensor) -> Result<i64> {
    match tensor.to_ints()?[..] {
        [only] => Ok(only),
        _ => Err(OpError::invalid("expected one number as the trip count")),
    }
}

/// A fact of what one iteration makes as the fact of all of them.
fn stacked(fact: &Fact) -> Fact {
    let shape = fact.shape.as_ref().map(|dims| [&[SymDim::Unknown], &dims[..]].concat());
    Fact::tensor(fact.elem, shape)
}
