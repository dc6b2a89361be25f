//! Changes of a node: what it takes, makes and says.

use girandole_proto::onnx::{AttributeProto, NodeProto};

use super::{Random, attribute};

/// Makes one change; `names` are those that the node could take.
pub(super) fn change(node: &mut NodeProto, names: &[String], random: &mut Random) {
    let (inputs, outputs, attributes) = (node.input.len(), node.output.len(), node.attribute.len());
    match random.below(14) {
        0 if inputs > 0 => drop(node.input.remove(random.below(inputs))),
        1 if inputs > 0 => node.input[random.below(inputs)].clear(),
        2 | 3 if inputs > 0 && !names.is_empty() => {
            node.input[random.below(inputs)].clone_from(&names[random.below(names.len())]);
        }
        4 if !names.is_empty() => node.input.push(names[random.below(names.len())].clone()),
        5 if inputs > 1 => node.input.swap(random.below(inputs), random.below(inputs)),
        6 if outputs > 0 => change_outputs(node, random),
        7 if attributes > 0 => drop(node.attribute.remove(random.below(attributes))),
        8 => node.attribute.push(extra(random)),
        _ if attributes > 0 => attribute::change(&mut node.attribute[random.below(attributes)], random),
        _ => {}
    }
}

fn change_outputs(node: &mut NodeProto, random: &mut Random) {
    let at = random.below(node.output.len());
    match random.below(4) {
        0 => drop(node.output.remove(at)),
        1 => node.output[at].clear(),
        2 => node.output.swap(at, 0),
        _ => node.output.push(format!("extra{}", random.below(1 << 20))),
    }
}

/// An attribute that many operators have, with a value of the wrong or the right type.
fn extra(random: &mut Random) -> AttributeProto {
    const NAMES: &[&str] = &[
        "axis",
        "axes",
        "alpha",
        "beta",
        "keepdims",
        "group",
        "pads",
        "strides",
        "dilations",
        "kernel_shape",
        "auto_pad",
        "ceil_mode",
        "to",
        "mode",
        "perm",
        "num_heads",
        "scale",
        "epsilon",
        "block_size",
        "noop_with_empty_axes",
        "num_outputs",
        "direction",
        "layout",
        "hidden_size",
        "value",
        "shape",
        "batch_dims",
        "reduction",
        "is_causal",
        "softcap",
        "stash_type",
        "start",
        "end",
        "select_last_index",
    ];
    const TYPES: &[i32] = &[1, 2, 3, 6, 7];
    let (name, r#type) = (random.pick(NAMES).to_owned(), random.pick(TYPES));
    let mut attribute = AttributeProto { name, r#type, ..Default::default() };
    attribute.ints = vec![1; random.below(5)];
    attribute.floats = vec![1.0; random.below(5)];
    attribute::change(&mut attribute, random);
    attribute
}
