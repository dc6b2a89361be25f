//! `Cast` to the type of an attribute and `CastLike` to that of another input. `saturate` (opset 19) and
//! `round_mode` (24) are of 8-bit floats only.

use super::{
    mini::{How, decoded, encoded},
    number::Convert,
    text::{parse, print},
};
use crate::{
    error::{OpError, Result},
    graph::Fact,
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, math::parallel::map, one},
    value::{Bool, ElemType, Mini, Overflow, Rounding, Tensor, Text, dispatch},
};

pub(crate) const OPS: &[OpDef] = &[OpDef::onnx("Cast", 6, cast), OpDef::onnx("CastLike", 15, cast_like)];

/// `Cast`, or `CastLike`.
#[derive(Clone, Debug)]
pub(crate) struct Cast {
    /// The type; `None` is that of input 1.
    pub(crate) to: Option<ElemType>,
    how: How,
}

fn cast(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let number = i32::try_from(node.required_int("to")?).unwrap_or(-1);
    boxed(Cast { to: Some(ElemType::from_onnx(number)?), how: how(node)? })
}

fn cast_like(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    boxed(Cast { to: None, how: how(node)? })
}

fn how(node: &NodeDef<'_>) -> Result<How> {
    let overflow = if node.flag("saturate", true)? { Overflow::Saturate } else { Overflow::Overflow };
    let rounding = match node.string_or("round_mode", "up")? {
        "up" => Rounding::Up,
        "down" => Rounding::Down,
        "nearest" => Rounding::Nearest,
        other => {
            return Err(OpError::invalid(format!(
                "attribute 'round_mode' must be up, down or nearest, got '{other}'"
            )));
        }
    };
    Ok(How { overflow, rounding })
}

impl Cast {
    /// To a type of more than a byte.
    pub(crate) const fn to(elem: ElemType) -> Self {
        Self { to: Some(elem), how: How { overflow: Overflow::Saturate, rounding: Rounding::Up } }
    }
}

impl Op for Cast {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let elem = self.to.or_else(|| inputs.elem(1));
        let dims = inputs.get(0).filter(|_| elem.is_some_and(ElemType::is_int)).and_then(|f| f.dims.clone());
        Ok(vec![Fact { dims, ..Fact::tensor(elem, inputs.shape(0).cloned()) }])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let to = match self.to {
            Some(elem) => elem,
            None => inputs.tensor(1)?.elem(),
        };
        one(convert(input, to, self.how)?)
    }
}

fn convert(input: &Tensor, to: ElemType, how: How) -> Result<Tensor> {
    if input.elem() == to {
        return Ok(input.clone());
    }
    if let Some((mini, codes)) = input.codes() {
        return convert(&decoded(mini, &codes)?, to, how);
    }
    match to {
        ElemType::Mini(mini) if mini.is_int() && input.elem().is_int() => low_bits(mini, input),
        ElemType::Mini(mini) => encoded(mini, &plain(input, ElemType::F32)?, how),
        to => plain(input, to),
    }
}

/// Integers narrow by their bits.
fn low_bits(mini: Mini, input: &Tensor) -> Result<Tensor> {
    let bytes = plain(input, ElemType::U8)?.to_vec::<u8>()?;
    Tensor::from_codes(mini, input.shape().clone(), bytes.into_iter().map(|b| mini.unpack(b)).collect())
}

/// Between types wider than a byte, strings and booleans.
pub(crate) fn plain(input: &Tensor, to: ElemType) -> Result<Tensor> {
    match input.elem() {
        from if from == to => Ok(input.clone()),
        ElemType::String => of_text(input, to),
        ElemType::Bool => of_number::<Bool>(input, to),
        from => dispatch!(from, Number, A => of_number::<A>(input, to)),
    }
}

fn of_number<A: Convert>(input: &Tensor, to: ElemType) -> Result<Tensor> {
    match to {
        ElemType::String => map::<A, Text>(input, |x| print(x.scalar())),
        ElemType::Bool => map::<A, Bool>(input, |x| Bool::convert(x.scalar())),
        to => dispatch!(to, Number, B => map::<A, B>(input, |x| B::convert(x.scalar()))),
    }
}

fn of_text(input: &Tensor, to: ElemType) -> Result<Tensor> {
    match to {
        ElemType::Bool => parse_all::<Bool>(input),
        to => dispatch!(to, Number, B => parse_all::<B>(input)),
    }
}

fn parse_all<B: Convert>(input: &Tensor) -> Result<Tensor> {
    let parsed = input.view::<Text>()?.iter().map(parse::<B>).collect::<Result<Vec<_>>>()?;
    Tensor::from_vec(input.shape().clone(), parsed)
}
