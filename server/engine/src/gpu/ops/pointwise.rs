//! Operators whose each element follows from those at its place: functions, arithmetic, comparisons, choices and
//! conversions. Operands broadcast; the result lies in memory as the first operand of its shape does, so that
//! images keep their channels innermost.

use girandole_core::Shape;
use girandole_cuda::{Argument, BinaryOp, Code, CompareOp, Grid, LogicOp, TestOp, Walk, arguments};
use smallvec::SmallVec;

use super::{DeviceOp, Given, Made, boxed, one};
use crate::{
    error::Result,
    gpu::{
        context::{Context, too_many_axes},
        dtype::Dtype,
        function,
        tensor::{DeviceTensor, Strides},
    },
    graph::Node,
    ops::math::{
        binary::{
            arithmetic::Arithmetic, compare::Compare, logic::Logic, power::Pow, select::Where,
            variadic::Variadic,
        },
        broadcast::broadcast,
        cast::ops::Cast,
        unary::predicate::Predicate,
    },
    passes::rewrite::operator,
    value::ElemType,
};

pub(super) fn find(_step: usize, node: &Node) -> Option<Box<dyn DeviceOp>> {
    if let Some(code) = function::of_node(node) {
        return boxed(Unary(code));
    }
    if let Some(arithmetic) = operator::<Arithmetic>(node) {
        return boxed(Binary(match arithmetic {
            Arithmetic::Add => BinaryOp::Add,
            Arithmetic::Sub => BinaryOp::Sub,
            Arithmetic::Mul => BinaryOp::Mul,
            Arithmetic::Div => BinaryOp::Div,
        }));
    }
    if operator::<Pow>(node).is_some() {
        return boxed(Binary(BinaryOp::Pow));
    }
    if let Some(variadic) = operator::<Variadic>(node) {
        return match variadic {
            Variadic::Min => boxed(Fold(BinaryOp::Min)),
            Variadic::Max => boxed(Fold(BinaryOp::Max)),
            Variadic::Sum => boxed(Fold(BinaryOp::Add)),
            Variadic::Mean => None,
        };
    }
    if let Some(compare) = operator::<Compare>(node) {
        return boxed(Comparison(match compare {
            Compare::Equal => CompareOp::Equal,
            Compare::Less => CompareOp::Less,
            Compare::LessOrEqual => CompareOp::LessOrEqual,
            Compare::Greater => CompareOp::Greater,
            Compare::GreaterOrEqual => CompareOp::GreaterOrEqual,
        }));
    }
    if let Some(logic) = operator::<Logic>(node) {
        return boxed(Truths(match logic {
            Logic::And => LogicOp::And,
            Logic::Or => LogicOp::Or,
            Logic::Xor => LogicOp::Xor,
        }));
    }
    if let Some(cast) = operator::<Cast>(node) {
        return boxed(Conversion(cast.to?));
    }
    if operator::<Where>(node).is_some() {
        return boxed(Choice);
    }
    match operator::<Predicate>(node)? {
        Predicate::Not => boxed(Not),
        Predicate::IsNaN => boxed(Test(TestOp::IsNan)),
        _ => None,
    }
}

/// A tensor for the result of `operands` broadcast to `shape`, and the order of its axes in memory.
fn result(
    context: &Context,
    (elem, dtype): (ElemType, Dtype),
    shape: &[usize],
    operands: &[&DeviceTensor],
) -> Result<(DeviceTensor, SmallVec<[usize; 6]>)> {
    let whole = operands.iter().filter(|operand| operand.shape[..] == *shape);
    let order = whole.filter_map(|operand| operand.memory_order()).next();
    let order = order.unwrap_or_else(|| (0..shape.len()).collect());
    let mut made = context.empty(elem, dtype, shape)?;
    let mut stride = 1;
    for &axis in order.iter().rev() {
        made.strides[axis] = stride;
        stride *= shape[axis].max(1).cast_signed();
    }
    Ok((made, order))
}

/// The loop over the result's elements in memory, with the strides of each operand.
fn walk<const N: usize>(shape: &[usize], order: &[usize], operands: [&DeviceTensor; N]) -> Walk<N> {
    let dims: SmallVec<[usize; 6]> = order.iter().map(|&axis| shape[axis]).collect();
    let strides = operands.map(|operand| {
        let stretched = operand.broadcast_strides(shape);
        order.iter().map(|&axis| stretched[axis]).collect::<Strides>()
    });
    Walk::new(&dims, strides.each_ref().map(|strides| &strides[..]))
}

fn shape_of(operands: &[&DeviceTensor]) -> Result<Shape> {
    broadcast(&operands.iter().map(|operand| &operand.shape).collect::<Vec<_>>())
}

/// What truths are kept as.
const BOOL: (ElemType, Dtype) = (ElemType::Bool, Dtype::Bool);

/// Elements that a thread of the kernels below works on at once.
const EACH: usize = 4;

fn grid(len: usize) -> Grid {
    Grid::over(len.div_ceil(EACH))
}

/// A function of each number.
#[derive(Debug)]
struct Unary(Code);

impl DeviceOp for Unary {
    fn run(&self, context: &Context, inputs: &Given<'_>) -> Result<Option<Made>> {
        let Some(x) = inputs.device(context, 0)? else { return Ok(None) };
        let whole_numbers = matches!(x.dtype, Dtype::I64 | Dtype::I32);
        let takes_integers = [Code::NEG, Code::ABS, Code::SIGN].contains(&self.0);
        let takes = x.dtype.is_float() || (whole_numbers && takes_integers);
        if !takes {
            return Ok(None);
        }
        one(apply(context, &x, self.0)?)
    }
}

/// A function of each number.
pub(super) fn apply(context: &Context, x: &DeviceTensor, code: Code) -> Result<DeviceTensor> {
    let x = if x.memory_order().is_some() { x.clone() } else { context.dense(x)? };
    let (made, _) = result(context, (x.elem, x.dtype), &x.shape, &[&x])?;
    let len = x.len();
    if len == 0 {
        return Ok(made);
    }
    if x.dtype.is_float() {
        let arguments = arguments![x.at(), made.at(), len, code.number, code.p, code.q];
        context.launch("unary", x.dtype.suffix(), grid(len), &arguments)?;
    } else {
        let arguments = arguments![x.at(), made.at(), len, code.number];
        context.launch("unary", x.dtype.suffix(), grid(len), &arguments)?;
    }
    Ok(made)
}

/// A function of two numbers.
#[derive(Debug)]
struct Binary(BinaryOp);

impl DeviceOp for Binary {
    fn run(&self, context: &Context, inputs: &Given<'_>) -> Result<Option<Made>> {
        let (Some(a), Some(b)) = (inputs.device(context, 0)?, inputs.device(context, 1)?) else {
            return Ok(None);
        };
        if a.dtype != b.dtype || a.dtype == Dtype::Bool {
            return Ok(None);
        }
        one(binary(context, self.0, &a, &b)?)
    }
}

/// A function of two numbers of one type, which is not bool.
pub(super) fn binary(
    context: &Context,
    op: BinaryOp,
    a: &DeviceTensor,
    b: &DeviceTensor,
) -> Result<DeviceTensor> {
    pairwise(context, ("binary", a.dtype.suffix()), (a.elem, a.dtype), [a, b], op.into())
}

/// What a kernel makes of each pair of elements; `made` is the type of the result.
fn pairwise(
    context: &Context,
    (stem, suffix): (&'static str, &'static str),
    made: (ElemType, Dtype),
    operands: [&DeviceTensor; 2],
    op: Argument,
) -> Result<DeviceTensor> {
    let shape = shape_of(&operands)?;
    let (made, order) = result(context, made, &shape, &operands)?;
    let len = made.len();
    if len > 0 {
        let walk = walk(&shape, &order, operands).packed().ok_or_else(too_many_axes)?;
        let [a, b] = operands;
        let arguments = arguments![a.at(), b.at(), made.at(), len, op, walk];
        context.launch(stem, suffix, grid(len), &arguments)?;
    }
    Ok(made)
}

/// A function of two numbers, over any number of operands.
#[derive(Debug)]
struct Fold(BinaryOp);

impl DeviceOp for Fold {
    fn run(&self, context: &Context, inputs: &Given<'_>) -> Result<Option<Made>> {
        let Some(mut folded) = inputs.device(context, 0)? else { return Ok(None) };
        for i in 1..inputs.0.len() {
            let next = inputs.device(context, i)?;
            let Some(next) = next.filter(|next| next.dtype == folded.dtype && next.dtype != Dtype::Bool)
            else {
                return Ok(None);
            };
            folded = binary(context, self.0, &folded, &next)?;
        }
        one(folded)
    }
}

/// A comparison.
#[derive(Debug)]
struct Comparison(CompareOp);

impl DeviceOp for Comparison {
    fn run(&self, context: &Context, inputs: &Given<'_>) -> Result<Option<Made>> {
        let (Some(a), Some(b)) = (inputs.device(context, 0)?, inputs.device(context, 1)?) else {
            return Ok(None);
        };
        if a.dtype != b.dtype {
            return Ok(None);
        }
        one(pairwise(context, ("compare", a.dtype.suffix()), BOOL, [&a, &b], self.0.into())?)
    }
}

/// A function of two truths.
#[derive(Debug)]
struct Truths(LogicOp);

impl DeviceOp for Truths {
    fn run(&self, context: &Context, inputs: &Given<'_>) -> Result<Option<Made>> {
        let (Some(a), Some(b)) = (inputs.device(context, 0)?, inputs.device(context, 1)?) else {
            return Ok(None);
        };
        if (a.dtype, b.dtype) != (Dtype::Bool, Dtype::Bool) {
            return Ok(None);
        }
        one(pairwise(context, ("logic", "u8"), BOOL, [&a, &b], self.0.into())?)
    }
}

/// The opposite of each truth.
#[derive(Debug)]
struct Not;

impl DeviceOp for Not {
    fn run(&self, context: &Context, inputs: &Given<'_>) -> Result<Option<Made>> {
        let Some(x) = inputs.device(context, 0)?.filter(|x| x.dtype == Dtype::Bool) else { return Ok(None) };
        one(truths(context, ("not", "u8"), &x, None)?)
    }
}

/// A question about each float.
#[derive(Debug)]
struct Test(TestOp);

impl DeviceOp for Test {
    fn run(&self, context: &Context, inputs: &Given<'_>) -> Result<Option<Made>> {
        let Some(x) = inputs.device(context, 0)?.filter(|x| x.dtype.is_float()) else { return Ok(None) };
        one(truths(context, ("test", x.dtype.suffix()), &x, Some(self.0.into()))?)
    }
}

/// What a kernel says of each element.
fn truths(
    context: &Context,
    (stem, suffix): (&'static str, &'static str),
    x: &DeviceTensor,
    question: Option<Argument>,
) -> Result<DeviceTensor> {
    let x = context.dense(x)?;
    let (elem, dtype) = BOOL;
    let made = context.empty(elem, dtype, &x.shape)?;
    let len = x.len();
    if len > 0 {
        let mut arguments = arguments![x.at(), made.at(), len].to_vec();
        arguments.extend(question);
        context.launch(stem, suffix, grid(len), &arguments)?;
    }
    Ok(made)
}

/// Elements of two tensors by a condition.
#[derive(Debug)]
struct Choice;

impl DeviceOp for Choice {
    fn run(&self, context: &Context, inputs: &Given<'_>) -> Result<Option<Made>> {
        let all = [inputs.device(context, 0)?, inputs.device(context, 1)?, inputs.device(context, 2)?];
        let [Some(condition), Some(a), Some(b)] = all else { return Ok(None) };
        if condition.dtype != Dtype::Bool || a.dtype != b.dtype {
            return Ok(None);
        }
        let shape = shape_of(&[&condition, &a, &b])?;
        let (made, order) = result(context, (a.elem, a.dtype), &shape, &[&a, &b])?;
        let len = made.len();
        if len > 0 {
            let walk = walk(&shape, &order, [&condition, &a, &b]).packed().ok_or_else(too_many_axes)?;
            let arguments = arguments![condition.at(), a.at(), b.at(), made.at(), len, walk];
            context.launch("where", a.dtype.width(), grid(len), &arguments)?;
        }
        one(made)
    }
}

/// Another element type.
#[derive(Debug)]
struct Conversion(ElemType);

impl DeviceOp for Conversion {
    fn run(&self, context: &Context, inputs: &Given<'_>) -> Result<Option<Made>> {
        let (Some(x), Some(dtype)) = (inputs.device(context, 0)?, context.precision.dtype(self.0)) else {
            return Ok(None);
        };
        // What is f32 to the model may be kept as f16: numbers beyond it are the host's to convert.
        let narrow =
            x.elem == ElemType::F32 && x.dtype != Dtype::F32 && !dtype.is_float() && dtype != Dtype::Bool;
        if narrow {
            return Ok(None);
        }
        one(DeviceTensor { elem: self.0, ..context.cast(&x, dtype)? })
    }
}
