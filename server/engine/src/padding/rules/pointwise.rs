//! Operators of which each element follows from those at its place: an output is longer where an input is.

use super::{
    super::{
        content::Content,
        scope::{Cause, Made, Scope, one},
        state::{Anchored, Axis, Longer, anchored},
    },
    arithmetic,
};
use crate::{
    graph::{Node, SymDim},
    ops::{
        Inputs, RunContext,
        math::{
            binary::{compare::Compare, logic::Logic, power::Pow, select::Where},
            cast::ops::Cast,
            unary::predicate::Predicate,
        },
    },
    passes::rewrite::operator,
    value::Value,
};

pub(super) fn rule(scope: &mut Scope<'_>) -> Option<Made> {
    is_pointwise(scope.node).then(|| apply(scope))
}

fn is_pointwise(node: &Node) -> bool {
    node.op.is_pointwise()
        || operator::<Compare>(node).is_some()
        || operator::<Logic>(node).is_some()
        || operator::<Pow>(node).is_some()
        || operator::<Where>(node).is_some()
        || operator::<Predicate>(node).is_some()
        || operator::<Cast>(node).is_some()
}

/// An input, and where its axes lie among the output's.
struct Operand<'a> {
    tensor: &'a Longer,
    /// How many axes the output has before the input's first.
    before: usize,
}

impl Operand<'_> {
    fn along(&self, axis: usize) -> Option<&Axis> {
        self.tensor.along(axis.checked_sub(self.before)?)
    }
}

fn apply(scope: &Scope<'_>) -> Made {
    let rank = |i: usize| scope.shape(i).map(Vec::len);
    let given = || (0..scope.inputs.len()).filter(|&i| scope.inputs[i].is_some());
    let most = given().map(rank).collect::<Result<Vec<_>, _>>()?.into_iter().max().unwrap_or(0);
    let mut operands: Vec<Option<Operand<'_>>> = Vec::new();
    for i in 0..scope.inputs.len() {
        operands.push(match scope.inputs[i] {
            Some(_) => Some(Operand { tensor: scope.tensor(i)?, before: most - rank(i)? }),
            None => None,
        });
    }
    let longer =
        (0..most).filter(|&axis| operands.iter().flatten().any(|operand| operand.along(axis).is_some()));
    let mut axes = Vec::new();
    for axis in longer {
        fits(scope, &operands, axis)?;
        axes.push(along(scope.node, &operands, axis));
    }
    let real = content(scope.node, &operands, |operand| operand.tensor.real.clone());
    one(Longer { real, axes })
}

/// Whether every input is longer along `axis`, or stretched along it.
fn fits(scope: &Scope<'_>, operands: &[Option<Operand<'_>>], axis: usize) -> Result<(), Cause> {
    for (i, operand) in operands.iter().enumerate() {
        let Some(operand) = operand.as_ref().filter(|operand| operand.along(axis).is_none()) else {
            continue;
        };
        let dim = axis.checked_sub(operand.before).and_then(|at| scope.shape(i).ok()?.get(at));
        if dim.is_some_and(|dim| *dim != SymDim::Known(1)) {
            return Err("a tensor beside it is not padded");
        }
    }
    Ok(())
}

fn along(node: &Node, operands: &[Option<Operand<'_>>], axis: usize) -> Axis {
    let at = |padded: fn(&Longer, &Axis) -> Content| {
        content(node, operands, |operand| match operand.along(axis) {
            Some(longer) => padded(operand.tensor, longer),
            None => operand.tensor.all(),
        })
    };
    let everywhere = at(|tensor, longer| tensor.before_end(longer.axis));
    let masks = operands.iter().flatten().filter_map(|operand| operand.along(axis));
    let masks = masks.fold(0, |masks, longer| masks | longer.anchor.masks);
    let by_masks = Anchored { content: at(|_, longer| longer.anchor.content.clone()), masks };
    Axis { axis, pad: at(|_, longer| longer.pad.clone()), anchor: anchored(everywhere, by_masks) }
}

/// What the node makes of elements of which `of` says what they hold.
fn content(node: &Node, operands: &[Option<Operand<'_>>], of: impl Fn(&Operand<'_>) -> Content) -> Content {
    let contents: Vec<Option<Content>> = operands.iter().map(|operand| operand.as_ref().map(&of)).collect();
    computed(node, &contents).unwrap_or_else(|| arithmetic::made(node, &contents))
}

/// What the operator itself makes of numbers that are all known.
fn computed(node: &Node, contents: &[Option<Content>]) -> Option<Content> {
    let value = |content: &Option<Content>| match content {
        Some(Content::Is(tensor)) => Some(Some(Value::Tensor(tensor.clone()))),
        Some(_) => None,
        None => Some(None),
    };
    let inputs = Inputs::new(contents.iter().map(value).collect::<Option<_>>()?);
    let made = node.op.eval(inputs, &RunContext::default()).ok()?.into_iter().next()?;
    let tensor = made.tensor().ok()?;
    Some(Content::Is(tensor.reshape(Vec::new()).ok()?))
}
