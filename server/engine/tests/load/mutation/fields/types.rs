//! Changes of a declared type.

use girandole_proto::onnx::{
    TensorProto, TensorShapeProto, TypeProto, ValueInfoProto,
    tensor_shape_proto::{Dimension, dimension},
    type_proto,
};

use super::{Random, list, tensor::ELEMS};

/// Makes one change of a declaration.
pub(super) fn change(declared: &mut ValueInfoProto, random: &mut Random) {
    let value = declared.r#type.as_mut().and_then(|declared| declared.value.as_mut());
    match value {
        Some(type_proto::Value::TensorType(tensor)) if !random.one_in(16) => change_tensor(tensor, random),
        Some(value) => *value = inside(value.clone(), random),
        None => {}
    }
}

fn change_tensor(tensor: &mut type_proto::Tensor, random: &mut Random) {
    if random.one_in(4) {
        tensor.elem_type = random.pick(ELEMS);
    }
    let Some(shape) = &mut tensor.shape else { return };
    let rank = shape.dim.len();
    let at = random.below(rank);
    match random.below(6) {
        0 => tensor.shape = None,
        1 if rank > 0 => drop(shape.dim.remove(at)),
        2 if rank > 0 => shape.dim.insert(0, shape.dim[at].clone()),
        3 if rank > 0 => shape.dim[at].value = Some(dimension::Value::DimParam("N".into())),
        _ if rank > 0 => {
            let size = random.pick(list::INTS);
            shape.dim[at].value = Some(dimension::Value::DimValue(size));
        }
        _ => {}
    }
}

/// A sequence or an optional of the type.
fn inside(value: type_proto::Value, random: &mut Random) -> type_proto::Value {
    let elem_type = Some(Box::new(TypeProto { value: Some(value), ..Default::default() }));
    if random.one_in(2) {
        type_proto::Value::SequenceType(Box::new(type_proto::Sequence { elem_type }))
    } else {
        type_proto::Value::OptionalType(Box::new(type_proto::Optional { elem_type }))
    }
}

/// A declaration that fits the tensor, with its first dimension free for one in two.
pub(super) fn declaration(tensor: &TensorProto, random: &mut Random) -> ValueInfoProto {
    let dims = tensor.dims.iter().map(|&size| dimension::Value::DimValue(size));
    let mut dim: Vec<_> = dims.map(|value| Dimension { value: Some(value), ..Default::default() }).collect();
    if let (Some(first), true) = (dim.first_mut(), random.one_in(2)) {
        first.value = Some(dimension::Value::DimParam("N".into()));
    }
    let shape = Some(TensorShapeProto { dim });
    let value = type_proto::Value::TensorType(type_proto::Tensor { elem_type: tensor.data_type, shape });
    let r#type = Some(TypeProto { value: Some(value), ..Default::default() });
    ValueInfoProto { name: tensor.name.clone(), r#type }
}
