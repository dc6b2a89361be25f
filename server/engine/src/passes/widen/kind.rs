//! What becomes of a node when its floats of 16 bits become f32.

use std::borrow::Cow;

use crate::{
    graph::{Fact, Graph, Node, ValueId},
    ops::{Facts, math::cast::ops::Cast},
    passes::rewrite::operator,
    value::ElemType,
};

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It takes f32 where it took 16 bits, and makes f32 where it made those.
    Follows,
    /// It takes and makes what it did.
    Keeps,
    /// It converts to 16 bits.
    Narrows { from: ValueId, made: ValueId },
    /// It converts from 16 bits to f32.
    Widens { from: ValueId, made: ValueId },
}

/// Whether it is f16 or bf16.
pub(super) const fn is_half(elem: ElemType) -> bool {
    matches!(elem, ElemType::F16 | ElemType::BF16)
}

/// The type of 16 bits that most of a graph's floats have: of its constants, or where there are none of what goes in
/// and out.
pub(super) fn most(graph: &Graph) -> Option<ElemType> {
    let constants = graph.values.iter().filter_map(|info| info.fact.constant_tensor());
    let ends = graph.inputs.iter().chain(&graph.outputs).filter_map(|&id| graph.fact(id).elem);
    majority(constants.map(|tensor| (tensor.elem(), tensor.len())))
        .or_else(|| majority(ends.map(|elem| (elem, 1))))
        .filter(|&elem| is_half(elem))
}

/// The type of the most of these floats, each type with their number, where that is f16 or bf16.
pub(crate) fn half_of(floats: impl Iterator<Item = (ElemType, usize)>) -> Option<ElemType> {
    majority(floats).filter(|&elem| is_half(elem))
}

/// The type of the most floats; the widest of several.
fn majority(floats: impl Iterator<Item = (ElemType, usize)>) -> Option<ElemType> {
    const TYPES: [ElemType; 3] = [ElemType::F16, ElemType::BF16, ElemType::F32];
    let mut counts = [0usize; TYPES.len()];
    for (elem, count) in floats {
        if let Some(place) = TYPES.iter().position(|&own| own == elem) {
            counts[place] = counts[place].saturating_add(count);
        }
    }
    let (elem, count) = TYPES.into_iter().zip(counts).max_by_key(|&(_, count)| count)?;
    (count > 0).then_some(elem)
}

/// What becomes of a node. One that is not sure to follow keeps its types.
pub(super) fn of(graph: &Graph, node: &Node) -> Kind {
    if let Some(conversion) = conversion(graph, node) {
        return conversion;
    }
    if node.op.keeps_types() || !node.op.is_pure() { Kind::Keeps } else { by_inference(graph, node) }
}

fn conversion(graph: &Graph, node: &Node) -> Option<Kind> {
    let to = operator::<Cast>(node)?.to.or_else(|| graph.fact(node.input(1)?).elem)?;
    let (from, made) = (node.input(0)?, node.only_output()?);
    let elem = graph.fact(from).elem?;
    if is_half(to) {
        return Some(Kind::Narrows { from, made });
    }
    (to == ElemType::F32 && is_half(elem)).then_some(Kind::Widens { from, made })
}

/// Asks the operator what it would make of wider inputs.
fn by_inference(graph: &Graph, node: &Node) -> Kind {
    let given = node.inputs.iter().map(|id| id.map(|id| graph.fact(id)));
    if given.clone().flatten().any(|fact| fact.elem.is_none()) {
        return Kind::Keeps;
    }
    let inputs: Vec<_> = given.map(|fact| fact.map(wider)).collect();
    let facts = Facts::new(inputs.iter().map(Option::as_deref).collect());
    let Ok(made) = node.op.infer(&facts, node.outputs.len()) else { return Kind::Keeps };
    let follows = |(i, id): (usize, &Option<ValueId>)| {
        let Some(id) = id else { return true };
        let before = graph.fact(*id).elem.filter(|&elem| !tells_digits(elem));
        before.is_some() && before.map(wide) == made.get(i).and_then(|fact| fact.elem)
    };
    if node.outputs.iter().enumerate().all(follows) { Kind::Follows } else { Kind::Keeps }
}

/// Whether what is made of a float shows how many digits it had: texts show all of them, and a small float is rounded
/// from those that there are.
const fn tells_digits(elem: ElemType) -> bool {
    matches!(elem, ElemType::String | ElemType::Mini(_))
}

const fn wide(elem: ElemType) -> ElemType {
    if is_half(elem) { ElemType::F32 } else { elem }
}

/// What would be known of a value.
fn wider(fact: &Fact) -> Cow<'_, Fact> {
    if fact.elem.is_some_and(is_half) {
        Cow::Owned(Fact { elem: Some(ElemType::F32), ..fact.without_constant() })
    } else {
        Cow::Borrowed(fact)
    }
}
