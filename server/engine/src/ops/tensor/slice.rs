//! `Slice`, since opset 1 with attributes; since 10 with inputs and steps, which may be negative.

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim, SymShape},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{ElemType, Tensor},
};

use super::{
    kernels::{Walk, strided},
    params::IntList,
    shapes::{axes, contents, describes, one_fact, strides, unknown},
};

pub(super) const OPS: &[OpDef] = &[OpDef::onnx("Slice", 1, |node| boxed(Slice::parse(node)?))];

/// `Slice`.
#[derive(Debug)]
pub(crate) struct Slice {
    starts: IntList,
    ends: IntList,
    axes: IntList,
    steps: IntList,
}

/// The part of one dimension: `len` indices from `start` on, `step` apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cut {
    start: usize,
    step: i64,
    len: usize,
}

impl Cut {
    const fn whole(size: usize) -> Self {
        Self { start: 0, step: 1, len: size }
    }

    /// The part of a dimension of `size`; bounds beyond it are clamped.
    fn new(size: usize, start: i64, end: i64, step: i64) -> Result<Self> {
        if step == 0 {
            return Err(OpError::invalid("a step of a slice must not be 0"));
        }
        if size == 0 {
            return Ok(Self { start: 0, step, len: 0 });
        }
        let signed = i64::try_from(size).unwrap_or(i64::MAX);
        let bound = |value: i64, low: i64, high: i64| {
            let value = if value < 0 { value.saturating_add(signed) } else { value };
            value.clamp(low, high)
        };
        let (start, len) = if step > 0 {
            let (start, end) = (bound(start, 0, signed), bound(end, 0, signed));
            (start, (end - start).max(0).unsigned_abs().div_ceil(step.unsigned_abs()))
        } else {
            let (start, end) = (bound(start, 0, signed - 1), bound(end, -1, signed - 1));
            (start, (start - end).max(0).unsigned_abs().div_ceil(step.unsigned_abs()))
        };
        let (start, len) = (usize::try_from(start).unwrap_or(0), usize::try_from(len).unwrap_or(0));
        Ok(Self { start, step, len })
    }
}

/// The bounds of a node, list by list.
struct Bounds {
    starts: Vec<i64>,
    ends: Vec<i64>,
    axes: Option<Vec<i64>>,
    steps: Option<Vec<i64>>,
}

impl Bounds {
    /// Dimension, start, end and step of each cut.
    fn cuts(&self, rank: usize) -> Result<Vec<(usize, i64, i64, i64)>> {
        let count = self.starts.len();
        let lengths =
            [Some(self.ends.len()), self.axes.as_ref().map(Vec::len), self.steps.as_ref().map(Vec::len)];
        if count > rank || lengths.into_iter().flatten().any(|len| len != count) {
            return Err(OpError::invalid(format!(
                "starts, ends, axes and steps must be of one length of at most {rank}"
            )));
        }
        let axes = self.axes.as_ref().map_or_else(|| Ok((0..count).collect()), |list| axes(list, rank))?;
        let step = |i: usize| self.steps.as_ref().map_or(1, |steps| steps[i]);
        Ok((0..count).map(|i| (axes[i], self.starts[i], self.ends[i], step(i))).collect())
    }
}

/// What is cut of an axis, as far as it is known when the model loads.
#[derive(Clone, Debug)]
pub(crate) struct KnownCut {
    pub(crate) axis: usize,
    pub(crate) start: i64,
    pub(crate) end: End,
    pub(crate) step: i64,
}

/// Where a cut ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// At this index, counted from the end where it is negative.
    At(i64),
    /// At the size that a run gives.
    Size(SymDim),
}

impl KnownCut {
    /// Whether it ends where every axis has ended.
    pub(crate) fn is_to_the_end(&self) -> bool {
        matches!(self.end, End::At(end) if end >= i64::from(i32::MAX))
    }
}

impl Slice {
    fn parse(node: &NodeDef<'_>) -> Result<Self> {
        let list = |name, input| IntList::parse(node, name, input, 10);
        Ok(Self {
            starts: list("starts", 1)?,
            ends: list("ends", 2)?,
            axes: list("axes", 3)?,
            steps: list("steps", 4)?,
        })
    }

    fn known_bounds(&self, facts: &Facts<'_>) -> Option<Bounds> {
        self.bounds_to(self.ends.known(facts).or(Vec::new)?, facts)
    }

    /// The bounds with these ends, where all others are known.
    fn bounds_to(&self, ends: Vec<i64>, facts: &Facts<'_>) -> Option<Bounds> {
        let given = |list: &IntList| list.known(facts).or(Vec::new);
        Some(Bounds {
            starts: given(&self.starts)?,
            ends,
            axes: self.axes.known(facts).given()?,
            steps: self.steps.known(facts).given()?,
        })
    }

    /// What it cuts of each axis that it names, as far as that is known when the model loads.
    pub(crate) fn known_cuts(&self, facts: &Facts<'_>) -> Option<Vec<KnownCut>> {
        let rank = facts.shape(0)?.len();
        let (ends, bounds) = if let Some(bounds) = self.known_bounds(facts) {
            (bounds.ends.iter().map(|&end| End::At(end)).collect::<Vec<_>>(), bounds)
        } else {
            let IntList::Input(input) = self.ends else { return None };
            let ends: Vec<End> = contents(facts.get(input))?.into_iter().map(End::Size).collect();
            let bounds = self.bounds_to(vec![0; ends.len()], facts)?;
            (ends, bounds)
        };
        let cuts = bounds.cuts(rank).ok()?.into_iter().zip(ends);
        Some(cuts.map(|((axis, start, _, step), end)| KnownCut { axis, start, end, step }).collect())
    }

    /// The only axis that loses indices, and its first index that is left, where neighbours stay neighbours
    /// and all that is known when the model loads.
    pub(crate) fn only_cut(&self, facts: &Facts<'_>) -> Option<(usize, usize)> {
        let shape = facts.shape(0)?;
        let cuts = self.known_bounds(facts)?.cuts(shape.len()).ok()?;
        let [(axis, start, end, 1)] = cuts[..] else { return None };
        Some((axis, Cut::new(shape[axis].known()?, start, end, 1).ok()?.start))
    }

    /// The dimensions of the result, where the bounds are known.
    fn dims(bounds: &Bounds, shape: &SymShape) -> Result<SymShape> {
        let mut dims = shape.clone();
        for (axis, start, end, step) in bounds.cuts(shape.len())? {
            dims[axis] = match &shape[axis] {
                SymDim::Known(size) => SymDim::Known(Cut::new(*size, start, end, step)?.len),
                dim if start == 0 && end >= i64::from(i32::MAX) && step == 1 => dim.clone(),
                _ => SymDim::Unknown,
            };
        }
        Ok(dims)
    }

    /// The dimensions of the result, where only ends are not known, some of which may be sizes that a symbol
    /// stands for: positions up to the length of a sequence, say.
    fn symbolic_dims(&self, facts: &Facts<'_>, shape: &SymShape) -> Result<Option<SymShape>> {
        let IntList::Input(input) = self.ends else { return Ok(None) };
        let Some(ends) = contents(facts.get(input)) else { return Ok(None) };
        let number = |end: &SymDim| end.known().and_then(|end| i64::try_from(end).ok()).unwrap_or(i64::MAX);
        let Some(bounds) = self.bounds_to(ends.iter().map(number).collect(), facts) else { return Ok(None) };
        let mut dims = Self::dims(&bounds, shape)?;
        for ((axis, start, _, step), end) in bounds.cuts(shape.len())?.into_iter().zip(&ends) {
            if end.known().is_none() {
                dims[axis] = if start == 0 && step == 1 { up_to(&shape[axis], end) } else { SymDim::Unknown };
            }
        }
        Ok(Some(dims))
    }

    /// What is left of a list of sizes.
    fn contents(bounds: &Bounds, list: &SymShape) -> Option<SymShape> {
        let cuts = bounds.cuts(1).ok()?;
        let Some(&(_, start, end, step)) = cuts.first() else { return Some(list.clone()) };
        let cut = Cut::new(list.len(), start, end, step).ok()?;
        let step = isize::try_from(cut.step).ok()?;
        (0..cut.len)
            .map(|i| list.get(cut.start.checked_add_signed(i.cast_signed().checked_mul(step)?)?).cloned())
            .collect()
    }
}

impl Op for Slice {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let elem = inputs.elem(0);
        let Some(shape) = inputs.shape(0) else { return one_fact(elem, None) };
        let Some(bounds) = self.known_bounds(inputs) else {
            let dims = self.symbolic_dims(inputs, shape)?;
            return one_fact(elem, Some(dims.unwrap_or_else(|| unknown(shape.len()))));
        };
        if let (Some(list), [_], Some(ElemType::I64)) =
            (inputs.get(0).and_then(|fact| fact.dims.as_ref()), shape.as_slice(), elem)
            && let Some(contents) = Self::contents(&bounds, list)
        {
            return Ok(vec![describes(contents, false)]);
        }
        one_fact(elem, Some(Self::dims(&bounds, shape)?))
    }

    fn movement(&self, shape: &[usize], inputs: &Inputs) -> Option<Result<Vec<Walk>>> {
        Some(self.cuts(shape, inputs).map(|cuts| vec![walk(shape, &cuts)]))
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        one(cut(input, &self.cuts(input.shape(), &inputs)?)?)
    }
}

impl Slice {
    /// The part of each dimension.
    fn cuts(&self, shape: &[usize], inputs: &Inputs) -> Result<Vec<Cut>> {
        let bounds = Bounds {
            starts: self.starts.required(inputs, "starts")?,
            ends: self.ends.required(inputs, "ends")?,
            axes: self.axes.get(inputs)?,
            steps: self.steps.get(inputs)?,
        };
        let mut cuts: Vec<Cut> = shape.iter().map(|&size| Cut::whole(size)).collect();
        for (axis, start, end, step) in bounds.cuts(shape.len())? {
            cuts[axis] = Cut::new(shape[axis], start, end, step)?;
        }
        Ok(cuts)
    }
}

/// What is left of a dimension up to `end`. A table that is longer than one entry is taken to be long enough:
/// with a longer sequence, no operator after it would find sizes that fit.
fn up_to(dim: &SymDim, end: &SymDim) -> SymDim {
    match (dim, end) {
        (SymDim::Known(2..), SymDim::Symbol(_)) => end.clone(),
        (dim, end) if dim == end => end.clone(),
        _ => SymDim::Unknown,
    }
}

fn cut(input: &Tensor, cuts: &[Cut]) -> Result<Tensor> {
    let whole = input.shape().iter().zip(cuts).all(|(&size, cut)| *cut == Cut::whole(size));
    if whole {
        return Ok(input.clone());
    }
    strided(input, walk(input.shape(), cuts))
}

fn walk(dims: &[usize], cuts: &[Cut]) -> Walk {
    let shape: Vec<usize> = cuts.iter().map(|cut| cut.len).collect();
    if shape.contains(&0) {
        return Walk { strides: vec![0; shape.len()], shape, start: 0 };
    }
    let along = strides(dims);
    // A step beyond the dimension takes one index only; its stride is never used.
    let stride = |(cut, &stride): (&Cut, &usize)| {
        isize::try_from(cut.step).unwrap_or(0).wrapping_mul(stride.cast_signed())
    };
    Walk {
        shape,
        strides: cuts.iter().zip(&along).map(stride).collect(),
        start: cuts.iter().zip(&along).map(|(cut, stride)| cut.start * stride).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_clamped_to_the_dimension() {
        let indices = |start, end, step| {
            let cut = Cut::new(5, start, end, step).unwrap();
            let index = |i: usize| i64::try_from(cut.start).unwrap() + i64::try_from(i).unwrap() * cut.step;
            (0..cut.len).map(index).collect::<Vec<_>>()
        };
        assert_eq!(indices(1, 3, 1), [1, 2]);
        assert_eq!(indices(-2, i64::MAX, 1), [3, 4]);
        assert_eq!(indices(0, 9, 2), [0, 2, 4]);
        assert_eq!(indices(-1, i64::MIN, -1), [4, 3, 2, 1, 0]);
        assert_eq!(indices(9, -6, -3), [4, 1]);
        assert_eq!(indices(3, 1, 1), [] as [i64; 0]);
        assert_eq!(indices(i64::MAX, i64::MAX, i64::MAX), [] as [i64; 0]);
        assert_eq!(indices(0, i64::MAX, i64::MAX), [0]);
        assert_eq!(indices(4, i64::MIN, i64::MIN), [4]);
        assert_eq!(Cut::new(0, 0, 5, -1).unwrap().len, 0);
        assert!(Cut::new(5, 0, 1, 0).is_err());
    }

    #[test]
    fn a_table_is_cut_to_a_symbolic_length() {
        let n = SymDim::Symbol("n".into());
        let list = |input| IntList::Input(input);
        let slice = Slice { starts: list(1), ends: list(2), axes: list(3), steps: list(4) };
        let ints = |values: &[i64]| {
            Fact::of_constant(&Tensor::from_vec(vec![values.len()], values.to_vec()).unwrap().into())
        };
        let end = Fact { dims: Some(vec![n.clone()]), ..Fact::known(ElemType::I64, &[1]) };
        let made = |table: SymDim, start: i64| {
            let table = Fact::tensor(Some(ElemType::F32), Some(vec![SymDim::Known(1), table]));
            let (start, axis) = (ints(&[start]), ints(&[1]));
            let facts = Facts::new(vec![Some(&table), Some(&start), Some(&end), Some(&axis)]);
            slice.infer(&facts, 1).unwrap().remove(0).shape.unwrap()[1].clone()
        };
        assert_eq!(made(SymDim::Known(512), 0), n);
        assert_eq!(made(n.clone(), 0), n);
        assert_eq!(made(SymDim::Known(512), 1), SymDim::Unknown);
        assert_eq!(made(SymDim::Known(1), 0), SymDim::Unknown);
        assert_eq!(made(SymDim::Symbol("m".into()), 0), SymDim::Unknown);
    }

    #[test]
    fn a_list_of_sizes_is_sliced_where_symbols_are_too() {
        let n = SymDim::Symbol("n".into());
        let list = vec![n.clone(), SymDim::Known(3), SymDim::Known(4)];
        let bounds = Bounds { starts: vec![0], ends: vec![-1], axes: None, steps: None };
        assert_eq!(Slice::contents(&bounds, &list).unwrap(), [n, SymDim::Known(3)]);
    }
}
