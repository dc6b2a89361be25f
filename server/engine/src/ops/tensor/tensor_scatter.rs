//! `TensorScatter`: new tokens written into a cache along one axis, at a place of each sample's own. Since
//! opset 24.

use crate::{
    error::{OpError, Result},
    graph::Fact,
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{Tensor, checked_len, dispatch},
};

use super::shapes::{axis, one_fact};

pub(super) const OPS: &[OpDef] = &[OpDef::onnx("TensorScatter", 24, parse)];

#[derive(Debug)]
struct TensorScatter {
    axis: i64,
    /// Whether what reaches beyond the end goes on at the beginning.
    circular: bool,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let circular = match node.string_or("mode", "linear")? {
        "linear" => false,
        "circular" => true,
        other => return Err(OpError::invalid(format!("mode must be linear or circular, got '{other}'"))),
    };
    boxed(TensorScatter { axis: node.int_or("axis", -2)?, circular })
}

impl TensorScatter {
    /// Where the tokens of each sample of the batch begin.
    fn starts(&self, places: Option<&Tensor>, batch: usize, room: usize, count: usize) -> Result<Vec<usize>> {
        let Some(places) = places else { return Ok(vec![0; batch]) };
        let places = places.to_ints()?;
        if places.len() != batch {
            return Err(OpError::invalid(format!("expected {batch} places, got {}", places.len())));
        }
        let start = |&place: &i64| {
            let start = usize::try_from(place).ok();
            let start = if self.circular { start.and_then(|start| start.checked_rem(room)) } else { start };
            let fits =
                |&start: &usize| self.circular || start.checked_add(count).is_some_and(|end| end <= room);
            start.filter(fits).ok_or_else(|| {
                OpError::invalid(format!("{count} tokens at place {place} do not fit into a cache of {room}"))
            })
        };
        places.iter().map(start).collect()
    }

    fn run(&self, cache: &Tensor, update: &Tensor, places: Option<&Tensor>) -> Result<Tensor> {
        let shape = cache.shape();
        let axis = axis(self.axis, shape.len())?;
        let alike = |(i, (a, b)): (usize, (&usize, &usize))| if i == axis { a >= b } else { a == b };
        let fits =
            update.rank() == shape.len() && shape.iter().zip(update.shape().iter()).enumerate().all(alike);
        if axis == 0 || !fits {
            return Err(OpError::invalid(format!(
                "an update of {} along axis {axis} does not fit a cache of {shape}",
                update.shape()
            )));
        }
        let (room, count) = (shape[axis], update.shape()[axis]);
        let inner: usize = shape[axis + 1..].iter().product();
        let heads: usize = shape[1..axis].iter().product();
        let starts = self.starts(places, shape[0], room, count)?;
        dispatch!(cache.elem(), Any, T => {
            checked_len::<T>(shape)?;
            let mut out = cache.to_vec::<T>()?;
            let new = update.view::<T>()?;
            for (block, tokens) in new.chunks_exact((count * inner).max(1)).enumerate() {
                let start = starts[block / heads];
                for (i, token) in tokens.chunks_exact(inner).enumerate() {
                    let at = (block * room + (start + i) % room) * inner;
                    out[at..at + inner].clone_from_slice(token);
                }
            }
            Tensor::from_vec(shape.clone(), out)
        })
    }
}

impl Op for TensorScatter {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        if let Some(rank) = inputs.get(0).and_then(Fact::rank) {
            axis(self.axis, rank)?;
        }
        one_fact(inputs.elem(0), inputs.shape(0).cloned())
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        one(self.run(inputs.tensor(0)?, inputs.tensor(1)?, inputs.opt_tensor(2)?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(circular: bool, places: Vec<i64>) -> Result<Vec<i64>> {
        let cache = Tensor::from_vec(vec![2, 1, 3, 1], vec![0i64; 6])?;
        let update = Tensor::from_vec(vec![2, 1, 2, 1], vec![1i64, 2, 3, 4])?;
        let places = Tensor::from_vec(vec![places.len()], places)?;
        TensorScatter { axis: -2, circular }.run(&cache, &update, Some(&places))?.to_vec()
    }

    #[test]
    fn each_sample_has_its_own_place() {
        assert_eq!(run(false, vec![0, 1]).unwrap(), [1, 2, 0, 0, 3, 4]);
        assert_eq!(run(true, vec![2, 4]).unwrap(), [2, 0, 1, 0, 3, 4]);
    }

    #[test]
    fn tokens_that_do_not_fit_are_errors() {
        assert!(run(false, vec![0, 2]).is_err());
        assert!(run(false, vec![-1, 0]).is_err());
        assert!(run(true, vec![0]).is_err());
    }
}
