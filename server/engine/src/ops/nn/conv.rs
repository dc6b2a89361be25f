//! `Conv`: convolution over one to three axes, with groups. Since opset 1; 11 defines defaults of strides and
//! dilations, 22 adds bf16.

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    kernels::conv::{self, Geometry, Operands},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{Tensor, checked_len},
};

use super::{
    real::{self, elements, opt_elements, real},
    window::{WindowSpec, output_shape, split},
};

pub(super) const OPS: &[OpDef] = &[OpDef::onnx("Conv", 1, parse)];

/// `Conv`.
#[derive(Clone, Debug)]
pub(crate) struct Conv {
    pub(crate) window: WindowSpec,
    pub(crate) groups: usize,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    boxed(Conv { window: WindowSpec::parse(node)?, groups: groups(node)? })
}

/// The number of groups.
///
/// # Errors
/// `Invalid` below 1.
pub(crate) fn groups(node: &NodeDef<'_>) -> Result<usize> {
    let groups = node.int_or("group", 1)?;
    usize::try_from(groups)
        .ok()
        .filter(|&groups| groups > 0)
        .ok_or_else(|| OpError::invalid(format!("attribute 'group' must be at least 1, got {groups}")))
}

impl Conv {
    fn geometry(&self, input: &[usize], weights: &[usize]) -> Result<Geometry> {
        let (batch, in_channels, spatial) = split(input)?;
        let (out_channels, depth, kernel) = split(weights)?;
        self.check_kernel(kernel)?;
        if depth.checked_mul(self.groups) != Some(in_channels) || !out_channels.is_multiple_of(self.groups) {
            return Err(OpError::invalid(format!(
                "weights {weights:?} in {} groups do not fit an input of {in_channels} channels",
                self.groups
            )));
        }
        let window = self.window.resolve(spatial, kernel)?;
        Ok(Geometry { batch, groups: self.groups, in_channels, out_channels, window })
    }

    fn check_kernel(&self, kernel: &[usize]) -> Result<()> {
        if self.window.kernel.is_empty() || self.window.kernel == kernel {
            return Ok(());
        }
        Err(OpError::invalid(format!("kernel_shape is {:?}, the weights' is {kernel:?}", self.window.kernel)))
    }
}

/// Refuses a bias of another length than the channels'.
///
/// # Errors
/// `Invalid`.
pub(super) fn check_bias(bias: Option<&Tensor>, channels: usize) -> Result<()> {
    match bias {
        Some(bias) if bias.len() != channels => {
            Err(OpError::invalid(format!("expected a bias of {channels} elements, got {}", bias.len())))
        }
        _ => Ok(()),
    }
}

impl Op for Conv {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let fact = |shape| vec![Fact::tensor(inputs.elem(0), shape)];
        let (Some(input), Some(weights)) = (inputs.shape(0), inputs.shape(1)) else {
            return Ok(fact(None));
        };
        let kernel: Option<Vec<usize>> = weights.iter().skip(2).map(SymDim::known).collect();
        let Some(kernel) = kernel.filter(|_| input.len() > 2 && weights.len() > 2) else {
            return Ok(fact(None));
        };
        self.check_kernel(&kernel)?;
        let mut shape = vec![input[0].clone(), weights[0].clone()];
        shape.extend(self.window.infer(&input[2..], &kernel)?);
        Ok(fact(Some(shape)))
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (input, weights, bias) = (inputs.tensor(0)?, inputs.tensor(1)?, inputs.opt_tensor(2)?);
        let geometry = self.geometry(input.shape(), weights.shape())?;
        check_bias(bias, geometry.out_channels)?;
        let shape = output_shape(geometry.batch, geometry.out_channels, &geometry.window, input.rank() - 2);
        real!(input.elem(), T => {
            let mut out = vec![T::default(); checked_len::<T>(&shape)?];
            let (x, w, bias) = (elements::<T>(input)?, elements::<T>(weights)?, opt_elements::<T>(bias)?);
            let operands = Operands { input: &x, weights: &w, bias: bias.as_deref() };
            conv::run(&geometry, operands, &mut out)?;
            one(real::tensor(input.elem(), &shape, out)?)
        })
    }
}
