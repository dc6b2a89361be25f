//! A session on the CPU: gathers a batch into tensors, runs the plan inside its threads, hands out bytes.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

use girandole_core::{Batch, BatchOutputs, Error, Reply, Result, Session};

use girandole_kernels::pool::Pool;

use crate::{
    device, limits,
    ops::RunContext,
    plan::Plan,
    value::{Value, from_parts, to_wire},
};

/// One stream of execution over a plan.
#[derive(Debug)]
pub(crate) struct OnnxSession {
    plan: Arc<Plan>,
    pool: Pool,
}

impl OnnxSession {
    pub(crate) fn new(plan: Arc<Plan>, threads: usize) -> Result<Self> {
        Ok(Self { plan, pool: device::pool(threads)? })
    }

    fn execute(&self, batch: &Batch) -> Result<BatchOutputs> {
        let begin = Instant::now();
        let inputs = self.gather(batch)?;
        let gathered = Instant::now();
        let values =
            self.plan.run(inputs, &RunContext::within(limits::RUN)).map_err(|error| error.at("model"))?;
        let ran = Instant::now();
        let tensors = batch.outputs.iter().map(|&index| hand_out(&values, index)).collect::<Result<_>>()?;
        Ok(BatchOutputs {
            tensors,
            compute_input: gathered - begin,
            compute_infer: ran - gathered,
            compute_output: ran.elapsed(),
            device: None,
        })
    }

    fn gather(&self, batch: &Batch) -> Result<Vec<Value>> {
        let inputs = self.plan.inputs().enumerate().map(|(index, info)| {
            let input = batch.inputs.iter().find(|input| input.index == index);
            let input = input.ok_or_else(|| Error::invalid(format!("input '{}' is missing", info.name)))?;
            from_parts(input.dtype, &input.shape, &input.parts)
                .and_then(|tensor| tensor.declared(info.fact.elem))
                .map(Value::Tensor)
                .map_err(|error| error.at(format_args!("input '{}'", info.name)))
        });
        inputs.collect()
    }
}

impl Session for OnnxSession {
    fn run(&mut self, batch: Batch, reply: Reply) {
        // candle panics on some inconsistent shapes; a batch must not take its instance down.
        let outcome = self.pool.enter(|| catch_unwind(AssertUnwindSafe(|| self.execute(&batch))));
        reply.send(outcome.unwrap_or_else(|_| Err(Error::internal("the engine failed on this batch"))));
    }
}

/// The wire's output `index`; a sequence of maps stands for two, its keys and its values.
fn hand_out(values: &[Value], index: usize) -> Result<girandole_core::Tensor> {
    let mut left = index;
    for value in values {
        match (value, left) {
            (Value::Maps(maps), 0) => return wire(maps.keys_by_row(), index),
            (Value::Maps(maps), 1) => return wire(Ok(maps.values.clone()), index),
            (Value::Maps(_), _) => left -= 2,
            (value, 0) => return wire(value.tensor().cloned(), index),
            _ => left -= 1,
        }
    }
    Err(Error::internal(format!("the model has no output {index}")))
}

fn wire(tensor: crate::error::Result<crate::value::Tensor>, index: usize) -> Result<girandole_core::Tensor> {
    tensor.and_then(|tensor| to_wire(&tensor)).map_err(|error| error.at(format_args!("output {index}")))
}
