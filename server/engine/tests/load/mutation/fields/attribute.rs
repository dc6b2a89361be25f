//! Changes of an attribute: its value, its type, and what lies inside it.

use girandole_proto::onnx::AttributeProto;

use super::{Random, graph, list, tensor};

/// Texts that attributes take, and one that is none.
const TEXTS: &[&[u8]] = &[
    b"\xff?",
    b"",
    b"NOTSET",
    b"SAME_UPPER",
    b"SAME_LOWER",
    b"VALID",
    b"linear",
    b"nearest",
    b"cubic",
    b"constant",
    b"reflect",
    b"edge",
    b"wrap",
    b"add",
    b"mul",
    b"min",
    b"max",
    b"none",
    b"sum",
    b"mean",
    b"forward",
    b"reverse",
    b"bidirectional",
    b"DCR",
    b"CRD",
    b"tanh",
    b"Relu",
    b"Sigmoid",
    b"SOFTMAX",
    b"LOGISTIC",
    b"PROBIT",
    b"i,i->",
    b"ij,jk->ik",
    b"...i->...",
    b"a.c",
    b"(((",
];

/// Makes one change.
pub(super) fn change(attribute: &mut AttributeProto, random: &mut Random) {
    if let Some(graph) = &mut attribute.g {
        return graph::change(graph, random);
    }
    if let Some(tensor) = &mut attribute.t {
        return tensor::change(tensor, random);
    }
    if random.one_in(12) {
        attribute.r#type = random.pick(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 13]);
    }
    attribute.i = random.pick(list::INTS);
    attribute.f = random.pick(list::FLOATS);
    list::change(&mut attribute.ints, list::INTS, random);
    list::change(&mut attribute.floats, list::FLOATS, random);
    if !attribute.strings.is_empty() {
        let at = random.below(attribute.strings.len());
        match random.below(3) {
            0 => drop(attribute.strings.remove(at)),
            1 => attribute.strings.push(attribute.strings[at].clone()),
            _ => attribute.strings[at] = bytes::Bytes::from_static(random.pick(TEXTS)),
        }
    }
    if !attribute.s.is_empty() && random.one_in(2) {
        attribute.s = bytes::Bytes::from_static(random.pick(TEXTS));
    }
}
