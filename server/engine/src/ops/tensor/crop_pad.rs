//! `CenterCropPad`, since opset 18: dimensions cut or filled with zeros around their middle.

use crate::{
    error::{OpError, Result},
    graph::Fact,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::checked_len,
};

use super::{
    kernels::{Pick, select},
    shapes::{axes, contents, one_fact, sizes, unknown},
};

pub(super) const OPS: &[OpDef] =
    &[OpDef::onnx("CenterCropPad", 18, |node| boxed(CenterCropPad { axes: node.ints("axes")? }))];

#[derive(Debug)]
struct CenterCropPad {
    axes: Option<Vec<i64>>,
}

impl CenterCropPad {
    fn axes(&self, rank: usize) -> Result<Vec<usize>> {
        self.axes.as_ref().map_or_else(|| Ok((0..rank).collect()), |named| axes(named, rank))
    }
}

impl Op for CenterCropPad {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let Some(mut shape) = inputs.shape(0).cloned() else { return one_fact(inputs.elem(0), None) };
        let axes = self.axes(shape.len())?;
        let target = contents(inputs.get(1)).unwrap_or_else(|| unknown(axes.len()));
        axes.into_iter().zip(target).for_each(|(axis, size)| shape[axis] = size);
        one_fact(inputs.elem(0), Some(shape))
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let axes = self.axes(input.rank())?;
        let target = sizes(&inputs.tensor(1)?.to_ints()?)?;
        if target.len() != axes.len() {
            return Err(OpError::invalid(format!("expected {} sizes, got {}", axes.len(), target.len())));
        }
        let mut shape = input.shape().to_vec();
        axes.into_iter().zip(target).for_each(|(axis, size)| shape[axis] = size);
        if checked_len::<u8>(&shape)? == 0 {
            return one(select(input, &vec![vec![]; input.rank()], None)?.reshape(shape)?);
        }
        let picks: Vec<_> = input.shape().iter().zip(&shape).map(|(&from, &to)| centered(from, to)).collect();
        one(select(input, &picks, None)?)
    }
}

/// The middle `to` of `from` indices, or all of them in the middle of `to`.
fn centered(from: usize, to: usize) -> Vec<Pick> {
    let (crop, pad) = (from.saturating_sub(to) / 2, to.saturating_sub(from) / 2);
    (0..to).map(|i| i.checked_sub(pad).map(|i| i + crop).filter(|&i| i < from)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_stays_in_the_middle() {
        assert_eq!(centered(5, 2), [Some(1), Some(2)]);
        assert_eq!(centered(2, 5), [None, Some(0), Some(1), None, None]);
        assert_eq!(centered(0, 1), [None]);
    }
}
