//! `Reduce*`: axes as an attribute before opset 13 (`ReduceSum`) or 18 (the others), as an input since.

use super::{
    fold::fold,
    reducer::{L1, L2, LogSum, LogSumExp, Max, Mean, Min, Prod, Sum, SumSquare},
};
use crate::{
    error::Result,
    graph::Fact,
    onnx::NodeDef,
    ops::{
        Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed,
        math::{
            axes::{mask, reduced_dims},
            number::Number,
            parallel::map,
        },
        one,
    },
    value::{Bool, ElemType, Tensor, dispatch},
};

pub(crate) const OPS: &[OpDef] = &[
    OpDef::onnx("ReduceSum", 1, |n| parse(n, Kind::Sum, 13)),
    OpDef::onnx("ReduceMean", 1, |n| parse(n, Kind::Mean, 18)),
    OpDef::onnx("ReduceProd", 1, |n| parse(n, Kind::Prod, 18)),
    OpDef::onnx("ReduceMax", 1, |n| parse(n, Kind::Max, 18)),
    OpDef::onnx("ReduceMin", 1, |n| parse(n, Kind::Min, 18)),
    OpDef::onnx("ReduceL1", 1, |n| parse(n, Kind::L1, 18)),
    OpDef::onnx("ReduceL2", 1, |n| parse(n, Kind::L2, 18)),
    OpDef::onnx("ReduceSumSquare", 1, |n| parse(n, Kind::SumSquare, 18)),
    OpDef::onnx("ReduceLogSum", 1, |n| parse(n, Kind::LogSum, 18)),
    OpDef::onnx("ReduceLogSumExp", 1, |n| parse(n, Kind::LogSumExp, 18)),
];

/// What many numbers become one by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sum,
    Mean,
    Prod,
    Max,
    Min,
    L1,
    L2,
    SumSquare,
    LogSum,
    LogSumExp,
}

/// A reduction.
#[derive(Debug)]
pub(crate) struct Reduce {
    pub(crate) kind: Kind,
    axes: Axes,
    /// Whether reduced axes stay with size 1.
    pub(crate) keep: bool,
    /// Whether no axes mean none instead of all.
    noop: bool,
}

#[derive(Debug)]
enum Axes {
    Fixed(Vec<i64>),
    /// By input 1, where it is given.
    Input,
}

fn parse(node: &NodeDef<'_>, kind: Kind, by_input_since: u32) -> Result<Box<dyn Op>> {
    let axes = if node.opset() < by_input_since {
        Axes::Fixed(node.ints("axes")?.unwrap_or_default())
    } else {
        Axes::Input
    };
    let noop = node.flag("noop_with_empty_axes", false)?;
    boxed(Reduce { kind, axes, keep: node.flag("keepdims", true)?, noop })
}

impl Op for Reduce {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let given = match &self.axes {
            Axes::Fixed(axes) => Some(axes.clone()),
            Axes::Input if inputs.get(1).is_none() => Some(Vec::new()),
            Axes::Input => inputs.get(1).and_then(Fact::constant_ints),
        };
        let rank = inputs.get(0).and_then(Fact::rank);
        let axes = given.zip(rank).map(|(axes, rank)| self.resolve(axes, rank));
        let shape = reduced_dims(inputs.get(0), axes.as_deref(), self.keep)?;
        Ok(vec![Fact::tensor(inputs.elem(0), shape)])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let given = inputs.opt_tensor(1)?.map(Tensor::to_ints).transpose()?.unwrap_or_default();
        match self.mask(given, input.rank())? {
            Some(mask) => one(self.apply(input, &mask)?),
            None => one(input.clone()),
        }
    }
}

impl Reduce {
    /// Which axes of a tensor of this rank are reduced, `given` being those of input 1; `None` where the tensor
    /// stays as it is.
    ///
    /// # Errors
    /// `Invalid` for an axis out of range.
    pub(crate) fn mask(&self, given: Vec<i64>, rank: usize) -> Result<Option<Vec<bool>>> {
        let given = match &self.axes {
            Axes::Fixed(axes) => axes.clone(),
            Axes::Input => given,
        };
        let axes = self.resolve(given, rank);
        if axes.is_empty() && self.noop { Ok(None) } else { mask(&axes, rank).map(Some) }
    }

    /// The axes of a mean, of which `given` are those that input 1 names, and whether they stay with size 1;
    /// `None` for another reduction.
    pub(crate) fn mean_axes(&self, given: Option<Vec<i64>>, rank: usize) -> Option<(Vec<i64>, bool)> {
        let axes = match &self.axes {
            Axes::Fixed(axes) => axes.clone(),
            Axes::Input => given?,
        };
        matches!(self.kind, Kind::Mean).then(|| (self.resolve(axes, rank), self.keep))
    }

    fn resolve(&self, given: Vec<i64>, rank: usize) -> Vec<i64> {
        if given.is_empty() && !self.noop { (0..rank as i64).collect() } else { given }
    }

    fn apply(&self, input: &Tensor, mask: &[bool]) -> Result<Tensor> {
        match (self.kind, input.elem()) {
            (Kind::Max | Kind::Min, ElemType::Bool) => {
                let bytes = map::<Bool, u8>(input, |x| u8::from(x.get()))?;
                map::<u8, Bool>(&self.order::<u8>(&bytes, mask)?, |&x| Bool::new(x != 0))
            }
            (Kind::Max | Kind::Min, elem) => dispatch!(elem, Number, T => self.order::<T>(input, mask)),
            (_, elem) => dispatch!(@match elem, T, self.sum::<T>(input, mask), [
                F16 half::f16, BF16 half::bf16, F32 f32, F64 f64, I32 i32, I64 i64, U32 u32, U64 u64
            ]),
        }
    }

    fn order<T: Number>(&self, input: &Tensor, mask: &[bool]) -> Result<Tensor> {
        match self.kind {
            Kind::Max => fold::<T, Max<T::Wide>>(input, mask, self.keep),
            _ => fold::<T, Min<T::Wide>>(input, mask, self.keep),
        }
    }

    fn sum<T: Number>(&self, input: &Tensor, mask: &[bool]) -> Result<Tensor> {
        match self.kind {
            Kind::Sum => fold::<T, Sum<T::Wide>>(input, mask, self.keep),
            Kind::Mean => fold::<T, Mean<T::Wide>>(input, mask, self.keep),
            Kind::Prod => fold::<T, Prod<T::Wide>>(input, mask, self.keep),
            Kind::L1 => fold::<T, L1<T::Wide>>(input, mask, self.keep),
            Kind::L2 => fold::<T, L2<T::Wide>>(input, mask, self.keep),
            Kind::SumSquare => fold::<T, SumSquare<T::Wide>>(input, mask, self.keep),
            Kind::LogSum => fold::<T, LogSum<T::Wide>>(input, mask, self.keep),
            Kind::LogSumExp => fold::<T, LogSumExp>(input, mask, self.keep),
            Kind::Max | Kind::Min => self.order::<T>(input, mask),
        }
    }
}
