//! Queries, keys and values of one input as one product, whose columns the attention reads where they lie: a
//! thread waits once for the others instead of three times, and narrow products fill its tiles better.

use crate::{
    error::Result,
    graph::{Node, ValueId},
    ops::{
        fused::attention::{Attention, Axis, Operand},
        math::binary::arithmetic::Arithmetic,
        nn::matmul::MatMul,
    },
    passes::{
        fuse::rows::row,
        rewrite::{Edit, View, operator},
    },
    value::{ElemType, Tensor},
};

/// An attention whose three operands are products, with or without a bias, of one value with fixed weights.
pub(in crate::passes::fuse) fn one_product(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let attention = operator::<Attention>(root)?;
    let parts = [0, 1, 2].map(|i| Part::new(view, root.input(i)?));
    let [Some(query), Some(key), Some(value)] = parts else { return None };
    let parts = [query, key, value];
    let x = parts[0].x;
    let biased = parts[0].bias.is_some();
    let depth = parts[0].depth();
    let alike = |part: &Part<'_>| part.x == x && part.bias.is_some() == biased && part.depth() == depth;
    let last = view.shape(x)?.len().checked_sub(1)?;
    if !parts.iter().all(alike) {
        return None;
    }
    let mut begin = 0;
    let mut moved = |operand: &Operand, part: &Part<'_>| {
        let mut operand = operand.clone();
        operand.starts.push((last, begin));
        begin += part.columns();
        let unbounded = |axis: &Axis| axis.axis == last && axis.size.is_none();
        (!operand.axes.iter().flatten().any(unbounded)).then_some(operand)
    };
    let fused = Attention {
        query: moved(&attention.query, &parts[0])?,
        key: moved(&attention.key, &parts[1])?,
        value: moved(&attention.value, &parts[2])?,
        ..attention.clone()
    };
    let weights = edit.constant(side_by_side(&parts).ok()?);
    let mut all = edit.node("MatMul", MatMul, [Some(x), Some(weights)]);
    if biased {
        let bias = parts.iter().filter_map(|part| part.bias.as_deref()).flatten().copied().collect();
        let bias = edit.constant(Tensor::from_vec(vec![begin], bias).ok()?);
        all = edit.node("Add", Arithmetic::Add, [Some(all), Some(bias)]);
    }
    let inputs = [Some(all), Some(all), Some(all), root.input(3)];
    edit.node_into("FusedAttention", fused, inputs, root.outputs.clone());
    Some(())
}

/// One of the products.
struct Part<'g> {
    x: ValueId,
    /// `[depth, columns]`
    weights: &'g Tensor,
    bias: Option<Vec<f32>>,
}

impl<'g> Part<'g> {
    /// A product that only one input of a node reads.
    fn new(view: &View<'g>, id: ValueId) -> Option<Self> {
        if !view.is_private(id) {
            return None;
        }
        if let Some((node, _)) = view.made_by::<MatMul>(id) {
            let (x, weights) = (node.input(0)?, view.constant(node.input(1)?)?);
            let floats = view.elem(x)? == ElemType::F32 && weights.elem() == ElemType::F32;
            return (floats && weights.rank() == 2).then_some(Self { x, weights, bias: None });
        }
        let (node, Arithmetic::Add) = view.made_by::<Arithmetic>(id)? else { return None };
        let (a, b) = (node.input(0)?, node.input(1)?);
        let (product, bias) = if view.constant(b).is_some() { (a, b) } else { (b, a) };
        let part = Self::new(view, product).filter(|part| part.bias.is_none())?;
        let bias = Some(row(view, bias, part.columns(), 2)?);
        Some(Self { bias, ..part })
    }

    fn depth(&self) -> usize {
        self.weights.shape().first().copied().unwrap_or(0)
    }

    fn columns(&self) -> usize {
        self.weights.shape().last().copied().unwrap_or(0)
    }
}

/// The weights of all parts as one matrix.
fn side_by_side(parts: &[Part<'_>; 3]) -> Result<Tensor> {
    let all = parts.iter().map(|part| part.weights.view::<f32>()).collect::<Result<Vec<_>>>()?;
    let depth = parts[0].depth();
    let columns: usize = parts.iter().map(Part::columns).sum();
    let mut joined = Vec::with_capacity(depth.saturating_mul(columns));
    for row in 0..depth {
        for (part, numbers) in parts.iter().zip(&all) {
            let begin = row * part.columns();
            joined.extend_from_slice(&numbers[begin..begin + part.columns()]);
        }
    }
    Tensor::from_vec(vec![depth, columns], joined)
}
