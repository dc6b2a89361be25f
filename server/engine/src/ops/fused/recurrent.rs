//! An `LSTM` or `GRU` whose weights are packed: `[X, initial_h, initial_c]`, the states left out where they are
//! 0, to Y, `Y_h` and (LSTM) `Y_c`. All sequences are of one length.

use girandole_kernels::recurrent::{Direction, Layer, Packed, States};

use crate::{
    error::{OpError, Result},
    graph::Fact,
    ops::{Facts, Inputs, Op, Outputs, RunContext},
    value::{ElemType, Tensor, Value, checked_len},
};

/// See the module.
#[derive(Debug)]
pub(crate) struct Recurrent {
    /// The weights of one or two directions; the second goes backwards.
    pub(crate) directions: Vec<Packed>,
    /// Whether the only direction goes backwards.
    pub(crate) reverse: bool,
    /// Whether the batch comes first in the input, the states and the outputs.
    pub(crate) batch_first: bool,
}

impl Op for Recurrent {
    fn infer(&self, _inputs: &Facts<'_>, outputs: usize) -> Result<Vec<Fact>> {
        Ok(vec![Fact::tensor(Some(ElemType::F32), None); outputs])
    }

    fn constant_bytes(&self) -> usize {
        self.directions.iter().map(Packed::bytes).sum()
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let [first, second, _] = input.shape()[..] else {
            return Err(OpError::invalid(format!("expected X of rank 3, got {}", input.shape())));
        };
        let (steps, batch) = if self.batch_first { (second, first) } else { (first, second) };
        let hidden = inputs.opt_tensor(1)?.map(Tensor::view::<f32>).transpose()?;
        let cell = inputs.opt_tensor(2)?.map(Tensor::view::<f32>).transpose()?;
        let units = self.directions.first().map_or(0, Packed::hidden);
        let shapes = Shapes { steps, batch, directions: self.directions.len(), units };
        let (all_shape, state_shape) = shapes.of_outputs(self.batch_first)?;
        let directions: Vec<Direction<'_>> = self
            .directions
            .iter()
            .enumerate()
            .map(|(number, weights)| Direction { weights, backwards: self.reverse || number == 1 })
            .collect();
        let layer = Layer {
            directions: &directions,
            input: &input.view::<f32>()?,
            steps,
            batch,
            batch_first: self.batch_first,
            hidden: hidden.as_deref(),
            cell: cell.as_deref(),
        };
        let States { all, hidden, cell } = layer.run()?;
        let mut outputs = Outputs::new();
        outputs.push(Value::Tensor(Tensor::from_vec(all_shape, all)?));
        let has_cell = cell.len() == hidden.len();
        outputs.push(Value::Tensor(Tensor::from_vec(state_shape.clone(), hidden)?));
        if has_cell {
            outputs.push(Value::Tensor(Tensor::from_vec(state_shape, cell)?));
        }
        Ok(outputs)
    }
}

struct Shapes {
    steps: usize,
    batch: usize,
    directions: usize,
    units: usize,
}

impl Shapes {
    /// The shapes of Y and of the states.
    fn of_outputs(&self, batch_first: bool) -> Result<(Vec<usize>, Vec<usize>)> {
        let Self { steps, batch, directions, units } = *self;
        let shapes = if batch_first {
            (vec![batch, steps, directions, units], vec![batch, directions, units])
        } else {
            (vec![steps, directions, batch, units], vec![directions, batch, units])
        };
        checked_len::<f32>(&shapes.0)?;
        checked_len::<f32>(&shapes.1)?;
        Ok(shapes)
    }
}
