//! `BitwiseAnd`, `BitwiseOr`, `BitwiseXor` (opset 18) and `BitShift` (opset 11).

use std::ops::{BitAnd, BitOr, BitXor};

use crate::{
    error::{OpError, Result},
    graph::Fact,
    onnx::NodeDef,
    ops::{
        Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed,
        math::{
            broadcast::zip,
            facts::{Takes, broadcast_all},
        },
        one,
    },
    value::{ElemType, Element, Tensor, dispatch},
};

pub(crate) const OPS: &[OpDef] = &[
    OpDef::onnx("BitwiseAnd", 18, |_| boxed(Bits::And)),
    OpDef::onnx("BitwiseOr", 18, |_| boxed(Bits::Or)),
    OpDef::onnx("BitwiseXor", 18, |_| boxed(Bits::Xor)),
    OpDef::onnx("BitShift", 11, shift),
];

#[derive(Clone, Copy, Debug)]
enum Bits {
    And,
    Or,
    Xor,
    Left,
    Right,
}

fn shift(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    boxed(match node.required_string("direction")? {
        "LEFT" => Bits::Left,
        "RIGHT" => Bits::Right,
        other => return Err(OpError::invalid(format!("direction must be LEFT or RIGHT, got '{other}'"))),
    })
}

impl Op for Bits {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        broadcast_all(inputs, Takes::Ints, None)
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (a, b) = (inputs.tensor(0)?, inputs.tensor(1)?);
        one(match self {
            Self::Left | Self::Right => self.shift(a, b)?,
            _ => dispatch!(a.elem(), Int, T => self.combine::<T>(a, b))?,
        })
    }
}

impl Bits {
    fn combine<T>(self, a: &Tensor, b: &Tensor) -> Result<Tensor>
    where
        T: Element + Copy + BitAnd<Output = T> + BitOr<Output = T> + BitXor<Output = T>,
    {
        match self {
            Self::And => zip::<T, T, T>(a, b, |&a, &b| a & b),
            Self::Or => zip::<T, T, T>(a, b, |&a, &b| a | b),
            _ => zip::<T, T, T>(a, b, |&a, &b| a ^ b),
        }
    }

    fn shift(self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        match a.elem() {
            ElemType::U8 => self.shift_as::<u8>(a, b),
            ElemType::U16 => self.shift_as::<u16>(a, b),
            ElemType::U32 => self.shift_as::<u32>(a, b),
            ElemType::U64 => self.shift_as::<u64>(a, b),
            other => Err(OpError::unsupported(format!("not supported for elements of {other}"))),
        }
    }

    fn shift_as<T: Element + Copy + TryFrom<u64>>(self, a: &Tensor, b: &Tensor) -> Result<Tensor>
    where
        u64: From<T>,
    {
        let mask = u64::MAX >> (64 - 8 * size_of::<T>());
        let shift = move |value: u64, by: u64| {
            let by = u32::try_from(by).unwrap_or(u32::MAX);
            let shifted =
                if matches!(self, Self::Left) { value.checked_shl(by) } else { value.checked_shr(by) };
            // The mask leaves what T holds, so that the conversion cannot fail.
            T::try_from(shifted.unwrap_or(0) & mask).unwrap_or_default()
        };
        zip::<T, T, T>(a, b, |&a, &b| shift(u64::from(a), u64::from(b)))
    }
}
