//! `LSTM` and `GRU` of constant weights and usual attributes: their weights are packed.

use girandole_kernels::{
    isa::Isa,
    recurrent::{Packed, Parameters},
};

use crate::{
    graph::{Node, ValueId},
    ops::{
        fused::recurrent::Recurrent as Fused,
        nn::recurrent::{Recurrent, Usual},
    },
    passes::rewrite::{Edit, View, operator},
    value::{ElemType, Tensor},
};

/// A layer without lengths and peepholes, whose X is `f32`.
pub(super) fn pack(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let usual = operator::<Recurrent>(root)?.usual()?;
    let (input, weights, recurrent) = (root.input(0)?, root.input(1)?, root.input(2)?);
    let (weights, recurrent) = (view.constant(weights)?, view.constant(recurrent)?);
    let bias = match root.input(3) {
        Some(bias) => Some(view.constant(bias)?),
        None => None,
    };
    let (lengths, peepholes) = (root.input(4), root.input(7));
    if lengths.is_some() || peepholes.is_some() || !floats(view, root) {
        return None;
    }
    if view.elem(input) != Some(ElemType::F32) {
        return None;
    }
    let fused = Fused {
        directions: directions(&usual, weights, recurrent, bias)?,
        reverse: usual.reverse,
        batch_first: usual.batch_first,
    };
    let inputs = [Some(input), root.input(5), root.input(6)];
    edit.node_into("FusedRecurrent", fused, inputs, root.outputs.clone());
    Some(())
}

/// Whether the initial states are `f32`.
fn floats(view: &View<'_>, root: &Node) -> bool {
    let is_float = |id: ValueId| view.elem(id) == Some(ElemType::F32);
    [5, 6].into_iter().filter_map(|i| root.input(i)).all(is_float)
}

/// The packed weights of each direction.
fn directions(
    usual: &Usual,
    weights: &Tensor,
    recurrent: &Tensor,
    bias: Option<&Tensor>,
) -> Option<Vec<Packed>> {
    let [count, wide, input] = weights.shape()[..] else { return None };
    let [_, _, hidden] = recurrent.shape()[..] else { return None };
    let gates = usual.cell.gates();
    let fits = count == usual.directions
        && hidden > 0
        && gates.checked_mul(hidden) == Some(wide)
        && recurrent.shape()[..] == [count, wide, hidden]
        && bias.is_none_or(|bias| bias.shape()[..] == [count, 2 * wide]);
    if !fits || usual.hidden.is_some_and(|given| usize::try_from(given) != Ok(hidden)) {
        return None;
    }
    let (weights, recurrent) = (weights.view::<f32>().ok()?, recurrent.view::<f32>().ok()?);
    let bias = bias.map(Tensor::view::<f32>).transpose().ok()?;
    let part = |all: &[f32], number: usize, len: usize| number * len..((number + 1) * len).min(all.len());
    let pack = |number: usize| {
        let parameters = Parameters {
            cell: usual.cell,
            input,
            hidden,
            weights: weights.get(part(&weights, number, wide * input))?,
            recurrent: recurrent.get(part(&recurrent, number, wide * hidden))?,
            bias: match &bias {
                Some(bias) => Some(bias.get(part(bias, number, 2 * wide))?),
                None => None,
            },
        };
        Packed::new(Isa::current(), &parameters).ok()
    };
    (0..count).map(pack).collect()
}
