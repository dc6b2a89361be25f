//! Changes of a model's fields: numbers to extremes, things left out, doubled and put in each other's place.

use girandole_proto::onnx::{
    AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto,
    tensor_shape_proto::dimension, type_proto,
};

use super::random::Random;

/// Sizes that overflow, are negative or do not fit. None between, which would only make large tensors.
const INTS: &[i64] = &[
    -1,
    0,
    1,
    2,
    3,
    4,
    7,
    -2,
    -3,
    64,
    -64,
    1 << 40,
    1 << 60,
    1 << 62,
    -(1 << 60),
    i64::MAX,
    i64::MIN,
    i64::MAX - 1,
];
const FLOATS: &[f32] = &[0.0, -1.0, 1.0, 0.5, 1e-30, 1e30, f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
const ELEMS: &[i32] = &[1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16];

pub(super) fn mutate(mut model: ModelProto, random: &mut Random) -> ModelProto {
    for _ in 0..=random.below(2) {
        if let Some(graph) = &mut model.graph {
            change_graph(graph, random);
        }
    }
    if random.one_in(8) {
        model
            .opset_import
            .iter_mut()
            .for_each(|set| set.version = random.pick(&[1, 6, 7, 9, 10, 12, 13, 18, 24]));
    }
    model
}

fn change_graph(graph: &mut GraphProto, random: &mut Random) {
    let (nodes, constants, inputs) = (graph.node.len(), graph.initializer.len(), graph.input.len());
    match random.below(12) {
        0..=5 if nodes > 0 => {
            let names = names(graph);
            change_node(&mut graph.node[random.below(nodes)], &names, random);
        }
        6..=8 if constants > 0 => change_tensor(&mut graph.initializer[random.below(constants)], random),
        9 | 10 if inputs > 0 => change_input(&mut graph.input[random.below(inputs)], random),
        _ if nodes > 1 => {
            let (a, b) = (random.below(nodes), random.below(nodes));
            graph.node.swap(a, b);
        }
        _ => {}
    }
}

fn names(graph: &GraphProto) -> Vec<String> {
    let constants = graph.initializer.iter().map(|tensor| tensor.name.clone());
    constants.chain(graph.input.iter().map(|input| input.name.clone())).collect()
}

fn change_node(node: &mut NodeProto, names: &[String], random: &mut Random) {
    let (inputs, attributes) = (node.input.len(), node.attribute.len());
    match random.below(10) {
        0 if inputs > 0 => drop(node.input.remove(random.below(inputs))),
        1 if inputs > 0 => node.input[random.below(inputs)].clear(),
        2 if inputs > 0 && !names.is_empty() => {
            node.input[random.below(inputs)].clone_from(&names[random.below(names.len())]);
        }
        3 if !names.is_empty() => node.input.push(names[random.below(names.len())].clone()),
        4 => node.output.push(format!("extra{}", random.below(1 << 20))),
        5 if attributes > 0 => drop(node.attribute.remove(random.below(attributes))),
        _ if attributes > 0 => change_attribute(&mut node.attribute[random.below(attributes)], random),
        _ => {}
    }
}

fn change_attribute(attribute: &mut AttributeProto, random: &mut Random) {
    if let Some(graph) = &mut attribute.g {
        return change_graph(graph, random);
    }
    if let Some(tensor) = &mut attribute.t {
        return change_tensor(tensor, random);
    }
    if random.one_in(12) {
        attribute.r#type = random.pick(&[0, 1, 2, 3, 4, 6, 7, 8]);
    }
    attribute.i = random.pick(INTS);
    attribute.f = random.pick(FLOATS);
    change_list(&mut attribute.ints, INTS, random);
    change_list(&mut attribute.floats, FLOATS, random);
    let strings = attribute.strings.len();
    if strings > 0 {
        drop(attribute.strings.remove(random.below(strings)));
    }
    if !attribute.s.is_empty() && random.one_in(2) {
        attribute.s = bytes::Bytes::from_static(b"\xff?");
    }
}

/// Changes a list that has something in it.
fn change_list<T: Copy>(list: &mut Vec<T>, values: &[T], random: &mut Random) {
    if list.is_empty() {
        return;
    }
    let at = random.below(list.len());
    match random.below(8) {
        0 => drop(list.remove(at)),
        1 => list.insert(at, list[at]),
        2 => list.clear(),
        3 => list.iter_mut().for_each(|value| *value = random.pick(values)),
        _ => list[at] = random.pick(values),
    }
}

fn change_tensor(tensor: &mut TensorProto, random: &mut Random) {
    match random.below(8) {
        // The elements stay, so that the tensor is still one.
        0 => tensor.dims.insert(0, 1),
        1 => tensor.dims.push(1),
        2 if tensor.dims.len() > 1 => tensor.dims.reverse(),
        3 => {
            *tensor = TensorProto {
                name: tensor.name.clone(),
                data_type: tensor.data_type,
                dims: vec![0],
                ..Default::default()
            };
        }
        4 => tensor.data_type = random.pick(ELEMS),
        5 => change_list(&mut tensor.dims, INTS, random),
        _ => {
            let at = random.below(tensor.int64_data.len());
            tensor.int64_data.iter_mut().skip(at).take(1).for_each(|value| *value = random.pick(INTS));
            let at = random.below(tensor.float_data.len());
            tensor.float_data.iter_mut().skip(at).take(1).for_each(|value| *value = random.pick(FLOATS));
            let at = random.below(tensor.int32_data.len());
            tensor
                .int32_data
                .iter_mut()
                .skip(at)
                .take(1)
                .for_each(|value| *value = random.pick(&[0, -1, 200]));
        }
    }
}

fn change_input(input: &mut ValueInfoProto, random: &mut Random) {
    let value = input.r#type.as_mut().and_then(|declared| declared.value.as_mut());
    let Some(type_proto::Value::TensorType(tensor)) = value else { return };
    if random.one_in(4) {
        tensor.elem_type = random.pick(ELEMS);
    }
    let Some(shape) = &mut tensor.shape else { return };
    let rank = shape.dim.len();
    match random.below(5) {
        0 => tensor.shape = None,
        1 if rank > 0 => drop(shape.dim.remove(random.below(rank))),
        2 if rank > 0 => shape.dim.insert(0, shape.dim[random.below(rank)].clone()),
        _ if rank > 0 => {
            let size = random.pick(INTS);
            shape.dim[random.below(rank)].value = Some(dimension::Value::DimValue(size));
        }
        _ => {}
    }
}
