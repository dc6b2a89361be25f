//! Changes of a tensor: shape, element type, and elements, typed, raw or in another file.

use girandole_proto::onnx::{StringStringEntryProto, TensorProto, tensor_proto::DataLocation};

use super::{Random, list};

/// Element types, those that the engine lacks among them.
pub(super) const ELEMS: &[i32] =
    &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 18, 19, 20, 21, 22, 23, 24, 99];

/// Makes one change.
pub(super) fn change(tensor: &mut TensorProto, random: &mut Random) {
    match random.below(12) {
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
        5 => list::change(&mut tensor.dims, list::INTS, random),
        6 if random.one_in(4) => to_external(tensor, random),
        _ => change_elements(tensor, random),
    }
}

fn change_elements(tensor: &mut TensorProto, random: &mut Random) {
    let one = |len: usize, random: &mut Random| random.below(len)..len.min(random.below(len) + 1);
    let at = one(tensor.int64_data.len(), random);
    tensor.int64_data.iter_mut().take(at.end).skip(at.start).for_each(|v| *v = random.pick(list::INTS));
    let at = one(tensor.float_data.len(), random);
    tensor.float_data.iter_mut().take(at.end).skip(at.start).for_each(|v| *v = random.pick(list::FLOATS));
    let at = one(tensor.int32_data.len(), random);
    let small = &[0, -1, 1, 2, 200, i32::MAX, i32::MIN];
    tensor.int32_data.iter_mut().take(at.end).skip(at.start).for_each(|v| *v = random.pick(small));
    change_raw(tensor, random);
    if !tensor.string_data.is_empty() {
        let at = random.below(tensor.string_data.len());
        tensor.string_data[at] = bytes::Bytes::from_static(random.pick(&[b"".as_slice(), b"\xff", b"1e9"]));
    }
}

/// Writes one element's bytes anew, or cuts or lengthens them all.
fn change_raw(tensor: &mut TensorProto, random: &mut Random) {
    if tensor.raw_data.is_empty() {
        return;
    }
    let mut raw = tensor.raw_data.to_vec();
    let size = if tensor.data_type == 1 || tensor.data_type == 6 { 4 } else { 8 };
    let value = if tensor.data_type == 1 {
        random.pick(list::FLOATS).to_le_bytes().to_vec()
    } else {
        random.pick(list::INTS).to_le_bytes()[..size].to_vec()
    };
    let at = random.below(raw.len() / size + 1) * size;
    match random.below(8) {
        0 => raw.truncate(at),
        1 => raw.extend(value),
        _ => raw.iter_mut().skip(at).zip(value).for_each(|(byte, new)| *byte = new),
    }
    tensor.raw_data = raw.into();
}

/// The elements lie in a file beside the model, or are said to.
fn to_external(tensor: &mut TensorProto, random: &mut Random) {
    const FILES: &[&str] = &["weights.bin", "model.onnx", "../weights.bin", "/dev/zero", "", ".", "missing"];
    const NUMBERS: &[&str] = &["0", "8", "4096", "18446744073709551615", "-1", "x"];
    let entry = |key: &str, value: &str| StringStringEntryProto { key: key.into(), value: value.into() };
    tensor.data_location = DataLocation::External as i32;
    tensor.external_data = vec![entry("location", random.pick(FILES))];
    for key in ["offset", "length"] {
        if random.one_in(3) {
            tensor.external_data.push(entry(key, random.pick(NUMBERS)));
        }
    }
}
