//! `MaxPool`: the largest element under each window, and where it lies. Since opset 1; 8 adds Indices, 10
//! `ceil_mode` and dilations, 12 8-bit integers, 22 bf16.

use smallvec::smallvec;

use crate::{
    error::Result,
    graph::{Fact, SymShape},
    kernels::{pool, window::Window},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed},
    value::{ElemType, Tensor, Value, checked_len},
};

use super::{
    real::{self, elements, real},
    window::{WindowSpec, output_shape, split},
};

pub(super) const OPS: &[OpDef] = &[OpDef::onnx("MaxPool", 1, parse)];

/// `MaxPool`.
#[derive(Debug)]
pub(crate) struct MaxPool {
    pub(crate) window: WindowSpec,
    column_major: bool,
    pub(crate) indices: bool,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let window = WindowSpec::parse(node)?;
    window.required_kernel()?;
    boxed(MaxPool { window, column_major: node.flag("storage_order", false)?, indices: node.has_output(1) })
}

/// The shape of a pool's output as far as it is known.
///
/// # Errors
/// As [`WindowSpec::infer`].
pub(super) fn infer_shape(window: &WindowSpec, inputs: &Facts<'_>) -> Result<Option<SymShape>> {
    let Some([batch, channels, spatial @ ..]) = inputs.shape(0).map(Vec::as_slice) else { return Ok(None) };
    let mut shape = vec![batch.clone(), channels.clone()];
    shape.extend(window.infer(spatial, window.required_kernel()?)?);
    Ok(Some(shape))
}

/// The window over `input` and the output's shape.
///
/// # Errors
/// As [`WindowSpec::resolve`].
pub(super) fn place(window: &WindowSpec, input: &Tensor) -> Result<(Window, Vec<usize>)> {
    let (batch, channels, spatial) = split(input.shape())?;
    let resolved = window.resolve(spatial, window.required_kernel()?)?;
    Ok((resolved, output_shape(batch, channels, &resolved, spatial.len()).to_vec()))
}

impl Op for MaxPool {
    fn infer(&self, inputs: &Facts<'_>, outputs: usize) -> Result<Vec<Fact>> {
        let shape = infer_shape(&self.window, inputs)?;
        let mut facts =
            vec![Fact::tensor(inputs.elem(0), shape.clone()), Fact::tensor(Some(ElemType::I64), shape)];
        facts.truncate(outputs);
        Ok(facts)
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let (window, shape) = place(&self.window, input)?;
        let mut indices = vec![0i64; if self.indices { checked_len::<i64>(&shape)? } else { 0 }];
        let largest = match input.elem() {
            ElemType::U8 => self.run(input, &window, &shape, u8::MIN, &mut indices)?,
            ElemType::I8 => self.run(input, &window, &shape, i8::MIN, &mut indices)?,
            elem => real!(elem, T => {
                let x = elements::<T>(input)?;
                let mut out = vec![T::default(); checked_len::<T>(&shape)?];
                pool::max(&window, &x, T::MIN, &mut out)?;
                if self.indices {
                    pool::max_places(&window, &x, self.column_major, &mut indices)?;
                }
                real::tensor(elem, &shape, out)
            })?,
        };
        let mut outputs: Outputs = smallvec![Value::Tensor(largest)];
        if self.indices {
            outputs.push(Value::Tensor(Tensor::from_vec(shape, indices)?));
        }
        Ok(outputs)
    }
}

impl MaxPool {
    fn run<T: crate::value::Element + Copy + PartialOrd>(
        &self,
        input: &Tensor,
        window: &Window,
        shape: &[usize],
        least: T,
        indices: &mut [i64],
    ) -> Result<Tensor> {
        let x = input.view::<T>()?;
        let mut out = vec![least; checked_len::<T>(shape)?];
        pool::max(window, &x, least, &mut out)?;
        if self.indices {
            pool::max_places(window, &x, self.column_major, indices)?;
        }
        Tensor::from_vec(shape, out)
    }
}
