//! `Pad`: pads and value as attributes since opset 2, as inputs since 11; `axes` since 18, `wrap` since 19.
//! A negative pad crops.

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{ElemType, Tensor, checked_len},
};

use super::{
    kernels::{Pick, select},
    params::IntList,
    shapes::{axes, one_fact, unknown},
};

pub(super) const OPS: &[OpDef] = &[OpDef::onnx("Pad", 1, |node| boxed(Pad::parse(node)?))];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Constant,
    Reflect,
    Edge,
    Wrap,
}

#[derive(Debug)]
struct Pad {
    mode: Mode,
    pads: IntList,
    axes: IntList,
    /// The attribute's value before opset 11; an input since.
    value: Option<f32>,
}

impl Pad {
    fn parse(node: &NodeDef<'_>) -> Result<Self> {
        let mode = match node.string_or("mode", "constant")? {
            "constant" => Mode::Constant,
            "reflect" => Mode::Reflect,
            "edge" => Mode::Edge,
            "wrap" => Mode::Wrap,
            other => {
                return Err(OpError::invalid(format!(
                    "attribute 'mode' must be constant, reflect, edge or wrap, got '{other}'"
                )));
            }
        };
        let pads = if node.opset() < 2 { "paddings" } else { "pads" };
        let value = if node.opset() < 11 { Some(node.float_or("value", 0.0)?) } else { None };
        Ok(Self {
            mode,
            pads: IntList::parse(node, pads, 1, 11)?,
            axes: IntList::parse(node, "axes", 3, 18)?,
            value,
        })
    }

    fn fill(&self, inputs: &Inputs, elem: ElemType) -> Result<Option<Tensor>> {
        let Some(value) = self.value else { return Ok(inputs.opt_tensor(2)?.cloned()) };
        match elem {
            ElemType::F32 => Tensor::scalar(value).map(Some),
            ElemType::F64 => Tensor::scalar(f64::from(value)).map(Some),
            ElemType::F16 => Tensor::scalar(half::f16::from_f32(value)).map(Some),
            _ => Ok(None),
        }
    }
}

/// Elements before and after a dimension.
#[derive(Clone, Copy, Debug, Default)]
struct Sides {
    before: i64,
    after: i64,
}

impl Sides {
    /// The size of a dimension of `size` with them.
    fn padded(self, size: usize) -> Result<usize> {
        let sum =
            i64::try_from(size).ok().and_then(|size| size.checked_add(self.before)?.checked_add(self.after));
        sum.and_then(|size| usize::try_from(size).ok()).ok_or_else(|| {
            OpError::invalid(format!(
                "a dimension of {size} cannot be padded by {} and {}",
                self.before, self.after
            ))
        })
    }

    /// Where each index of the padded dimension comes from.
    fn picks(self, size: usize, mode: Mode) -> Result<Vec<Pick>> {
        let padded = self.padded(size)?;
        let crop = |pad: i64| usize::try_from(pad.saturating_neg().max(0)).unwrap_or(usize::MAX);
        let first = crop(self.before);
        let kept = size.saturating_sub(first).saturating_sub(crop(self.after)).cast_signed();
        if kept == 0 && padded > 0 && mode != Mode::Constant {
            return Err(OpError::invalid("an empty dimension can only be padded with a constant"));
        }
        let before = self.before.max(0);
        let pick = |i: usize| {
            let from = i.cast_signed() - isize::try_from(before).unwrap_or(isize::MAX);
            inside(from, kept, mode).map(|at| first + at)
        };
        Ok((0..padded).map(pick).collect())
    }
}

/// The index among `len` that stands at `at`, which may lie outside.
fn inside(at: isize, len: isize, mode: Mode) -> Pick {
    let place = match mode {
        Mode::Constant => at,
        Mode::Edge => at.clamp(0, len - 1),
        Mode::Wrap => at.rem_euclid(len),
        Mode::Reflect if len == 1 => 0,
        Mode::Reflect => {
            let period = 2 * (len - 1);
            let at = at.rem_euclid(period);
            at.min(period - at)
        }
    };
    usize::try_from(place).ok().filter(|_| place < len)
}

/// The pads of every dimension.
fn sides(pads: &[i64], named: Option<&[i64]>, rank: usize) -> Result<Vec<Sides>> {
    let named = named.map_or_else(|| Ok((0..rank).collect()), |named| axes(named, rank))?;
    if pads.len() != 2 * named.len() {
        return Err(OpError::invalid(format!(
            "expected {} pads, two for each dimension padded, got {}",
            2 * named.len(),
            pads.len()
        )));
    }
    let mut sides = vec![Sides::default(); rank];
    let (before, after) = pads.split_at(named.len());
    for ((axis, &before), &after) in named.into_iter().zip(before).zip(after) {
        sides[axis] = Sides { before, after };
    }
    Ok(sides)
}

impl Op for Pad {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let elem = inputs.elem(0);
        let Some(shape) = inputs.shape(0) else { return one_fact(elem, None) };
        let all = || (0i64..).take(shape.len()).collect();
        let (Some(pads), Some(named)) =
            (self.pads.known(inputs).or(Vec::new), self.axes.known(inputs).or(all))
        else {
            return one_fact(elem, Some(unknown(shape.len())));
        };
        let sides = sides(&pads, Some(&named), shape.len())?;
        let dim = |(dim, sides): (&SymDim, Sides)| match dim {
            SymDim::Known(size) => sides.padded(*size).map(SymDim::Known),
            dim if sides.before == 0 && sides.after == 0 => Ok(dim.clone()),
            _ => Ok(SymDim::Unknown),
        };
        one_fact(elem, Some(shape.iter().zip(sides).map(dim).collect::<Result<_>>()?))
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let pads = self.pads.required(&inputs, "pads")?;
        let sides = sides(&pads, self.axes.get(&inputs)?.as_deref(), input.rank())?;
        let pairs = || input.shape().iter().zip(&sides);
        let shape = pairs().map(|(&size, sides)| sides.padded(size)).collect::<Result<Vec<_>>>()?;
        if checked_len::<u8>(&shape)? == 0 {
            return one(select(input, &vec![vec![]; input.rank()], None)?.reshape(shape)?);
        }
        let picks = pairs().map(|(&size, sides)| sides.picks(size, self.mode)).collect::<Result<Vec<_>>>()?;
        one(select(input, &picks, self.fill(&inputs, input.elem())?.as_ref())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_continue_a_dimension_outside() {
        let picks = |before, after, mode| Sides { before, after }.picks(3, mode).unwrap();
        let some = |picks: &[usize]| picks.iter().map(|&i| Some(i)).collect::<Vec<_>>();
        assert_eq!(picks(1, 1, Mode::Constant), [None, Some(0), Some(1), Some(2), None]);
        assert_eq!(picks(2, 5, Mode::Reflect), some(&[2, 1, 0, 1, 2, 1, 0, 1, 2, 1]));
        assert_eq!(picks(2, 1, Mode::Edge), some(&[0, 0, 0, 1, 2, 2]));
        assert_eq!(picks(2, 4, Mode::Wrap), some(&[1, 2, 0, 1, 2, 0, 1, 2, 0]));
        assert_eq!(picks(-1, 1, Mode::Edge), some(&[1, 2, 2]));
        assert_eq!(picks(-2, -1, Mode::Constant), []);
    }

    #[test]
    fn pads_that_do_not_fit_are_errors() {
        assert!(Sides { before: -4, after: 0 }.padded(3).is_err());
        assert!(Sides { before: i64::MAX, after: i64::MAX }.padded(3).is_err());
        assert!(Sides { before: 1, after: 0 }.picks(0, Mode::Edge).is_err());
        assert!(sides(&[1, 1, 1], None, 2).is_err());
        assert!(sides(&[1, 1, 1, 1], Some(&[0, 0]), 2).is_err());
    }
}
