//! `AveragePool` and `LpPool`: the mean and the p-norm under each window. Since opset 1 (`LpPool` 2: before it
//! p was no integer); 7 adds `count_include_pad`, 10 `ceil_mode`, 18 (`LpPool`) and 19 dilations.

use crate::{
    error::{OpError, Result},
    graph::Fact,
    kernels::pool,
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::checked_len,
};

use super::{
    max_pool::{infer_shape, place},
    real::{self, elements, real},
    window::WindowSpec,
};

pub(super) const OPS: &[OpDef] =
    &[OpDef::onnx("AveragePool", 1, parse_average), OpDef::onnx("LpPool", 2, parse_norm)];

/// What a pool gives.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Mean { padding: bool },
    Norm { p: i32 },
}

/// `AveragePool` and `LpPool`.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) window: WindowSpec,
    pub(crate) kind: Kind,
}

fn parse_average(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    parse(node, Kind::Mean { padding: node.flag("count_include_pad", false)? })
}

fn parse_norm(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    parse(node, Kind::Norm { p: norm_of(node)? })
}

fn parse(node: &NodeDef<'_>, kind: Kind) -> Result<Box<dyn Op>> {
    let window = WindowSpec::parse(node)?;
    window.required_kernel()?;
    boxed(Pool { window, kind })
}

/// Attribute `p` of a norm.
///
/// # Errors
/// `Invalid` below 1.
pub(super) fn norm_of(node: &NodeDef<'_>) -> Result<i32> {
    let p = node.int_or("p", 2)?;
    i32::try_from(p)
        .ok()
        .filter(|&p| p >= 1)
        .ok_or_else(|| OpError::invalid(format!("attribute 'p' must be at least 1, got {p}")))
}

impl Op for Pool {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        Ok(vec![Fact::tensor(inputs.elem(0), infer_shape(&self.window, inputs)?)])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let (window, shape) = place(&self.window, input)?;
        real!(input.elem(), T => {
            let x = elements::<T>(input)?;
            let mut out = vec![T::default(); checked_len::<T>(&shape)?];
            match self.kind {
                Kind::Mean { padding } => pool::mean(&window, &x, padding, &mut out)?,
                Kind::Norm { p } => pool::norm(&window, &x, p, &mut out)?,
            }
            one(real::tensor(input.elem(), &shape, out)?)
        })
    }
}
