//! Products of integers as ONNX Runtime's dynamic quantization writes them: the sums, cast to floats, times
//! the scales, plus a bias, become one node; and a right operand that the model fixes is packed.

use crate::{
    graph::{Node, SymDim, ValueId},
    ops::{
        math::{binary::arithmetic::Arithmetic, cast::ops::Cast},
        quant::{
            conv::IntegerConv,
            matmul::{Form, IntegerMatMul},
        },
    },
    passes::rewrite::{Edit, View, operator},
    value::ElemType,
};

const NAME: &str = "MatMulIntegerToFloat";

/// `Mul(Cast(MatMulInteger(a, b)), scales)` with scales for all or for each column.
pub(super) fn to_float(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    if *operator::<Arithmetic>(root)? != Arithmetic::Mul {
        return None;
    }
    let [Some(left), Some(right)] = root.inputs[..] else { return None };
    let (product, scales) = match (sums(view, left), sums(view, right)) {
        (Some(product), None) => (product, right),
        (None, Some(product)) => (product, left),
        _ => return None,
    };
    let columns = view.shape(root.only_output()?).and_then(|shape| shape.last().cloned());
    let made = view.maker(product)?;
    if view.elem(scales)? != ElemType::F32 || !is_by_column(view, scales, columns.as_ref()) {
        return None;
    }
    let op = IntegerMatMul { form: Form::Float, ..operator::<IntegerMatMul>(made)?.clone() };
    let inputs = [made.input(0), made.input(1), None, Some(scales), made.input(2), made.input(3), None];
    edit.node_into(NAME, op, inputs, root.outputs.clone());
    Some(())
}

/// The sums that a value is, cast to f32, where nobody else reads them.
fn sums(view: &View<'_>, id: ValueId) -> Option<ValueId> {
    let (node, cast) = view.made_by::<Cast>(id)?;
    let product = node.input(0)?;
    let (_, op) = view.made_by::<IntegerMatMul>(product)?;
    let fits = cast.to == Some(ElemType::F32) && op.form == Form::Sums;
    (fits && view.is_private(id) && view.is_private(product)).then_some(product)
}

/// Whether a value holds one element, or one for each column.
fn is_by_column(view: &View<'_>, id: ValueId, columns: Option<&SymDim>) -> bool {
    match view.shape(id).map(Vec::as_slice) {
        Some([] | [SymDim::Known(1)]) => true,
        Some([SymDim::Known(len)]) => columns == Some(&SymDim::Known(*len)),
        _ => false,
    }
}

/// `Add(MatMulIntegerToFloat(..), bias)` with a constant bias of one number for each column.
pub(super) fn bias(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    if *operator::<Arithmetic>(root)? != Arithmetic::Add {
        return None;
    }
    let product = root.inputs.iter().flatten().copied().find(|&id| is_unbiased(view, id))?;
    let bias = root.other_input(product)?;
    let columns = view.shape(product)?.last()?;
    let fits = view.constant(bias)?.elem() == ElemType::F32
        && matches!(view.shape(bias)?.as_slice(), [len] if len == columns);
    if !fits {
        return None;
    }
    let (node, op) = view.made_by::<IntegerMatMul>(product)?;
    let mut inputs = node.inputs.clone();
    inputs.resize(6, None);
    inputs.push(Some(bias));
    edit.node_into(NAME, op.clone(), inputs, root.outputs.clone());
    Some(())
}

fn is_unbiased(view: &View<'_>, id: ValueId) -> bool {
    view.is_private(id)
        && view
            .made_by::<IntegerMatMul>(id)
            .is_some_and(|(node, op)| op.form == Form::Float && node.input(6).is_none())
}

/// A constant right operand is packed once.
pub(super) fn pack(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let op = operator::<IntegerMatMul>(root)?;
    let right = op.form.right();
    let packed = op.packed(view.constant(root.input(right)?)?)?;
    let mut inputs = root.inputs.clone();
    *inputs.get_mut(right)? = None;
    edit.node_into(root.op_type, packed, inputs, root.outputs.clone());
    Some(())
}

/// Constant weights of a convolution are packed once.
pub(super) fn pack_conv(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let op = operator::<IntegerConv>(root)?;
    let weights = op.weights();
    let packed = op.packed(view.constant(root.input(weights)?)?)?;
    let mut inputs = root.inputs.clone();
    *inputs.get_mut(weights)? = None;
    edit.node_into(root.op_type, packed, inputs, root.outputs.clone());
    Some(())
}
