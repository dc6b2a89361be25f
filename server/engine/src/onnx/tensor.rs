//! Tensors of a model file: raw bytes, typed lists, or a file beside the model.

use std::{
    io::{self, Read, SeekFrom},
    path::{Component, Path},
};

use bytes::Bytes;
use girandole_core::{DType, Error, Files, Shape, Source, why};
use girandole_proto::onnx::{TensorProto, tensor_proto::DataLocation};
use half::{bf16, f16};
use prost::Message;

use crate::{
    error::{OpError, Result},
    value::{ElemType, Mini, Tensor, checked_len, from_reader, to_wire},
};

/// The tensor in a file's message. `files` are where external data may lie; `None` allows none.
///
/// # Errors
/// `Invalid` where type, shape and data do not fit, `Unsupported` for an element type that the engine lacks.
pub fn tensor_from_proto(proto: &TensorProto, files: Option<&dyn Files>) -> Result<Tensor> {
    let raw = &proto.raw_data;
    let raw = (!raw.is_empty()).then(|| Raw { bytes: raw.len() as u64, from: Box::new(&raw[..]) });
    tensor(proto, files, raw)
}

/// The tensor in the bytes of a file that holds one, such as those of ONNX's test data, as the wire has it.
///
/// # Errors
/// `InvalidArgument` where it is none.
pub fn tensor_from_bytes(bytes: Bytes) -> Result<girandole_core::Tensor, Error> {
    let proto = TensorProto::decode(bytes)
        .map_err(|error| Error::invalid(format!("the file is no ONNX tensor: {error}")))?;
    tensor_from_proto(&proto, None).and_then(|tensor| to_wire(&tensor)).map_err(|error| error.at("tensor"))
}

/// As [`tensor_from_proto`], of a message whose raw bytes were left in the file.
///
/// # Errors
/// As [`tensor_from_proto`].
pub(super) fn tensor_from_file(proto: &TensorProto, files: &dyn Files, raw: Raw<'_>) -> Result<Tensor> {
    tensor(proto, Some(files), Some(raw))
}

/// Elements as bytes, still to be read.
pub(super) struct Raw<'a> {
    pub(super) bytes: u64,
    pub(super) from: Box<dyn Read + 'a>,
}

fn tensor(proto: &TensorProto, files: Option<&dyn Files>, raw: Option<Raw<'_>>) -> Result<Tensor> {
    read(proto, files, raw).map_err(|error| error.of(format_args!("tensor '{}'", proto.name)))
}

fn read(proto: &TensorProto, files: Option<&dyn Files>, raw: Option<Raw<'_>>) -> Result<Tensor> {
    let elem = ElemType::from_onnx(proto.data_type)?;
    let shape = shape(&proto.dims)?;
    let len = checked_len::<u8>(&shape)?;
    let raw = if proto.data_location == DataLocation::External as i32 {
        let size = len.saturating_mul(elem.wire().size().unwrap_or(1));
        Some(external(proto, stored_bytes(elem, size), files)?)
    } else {
        raw
    };
    match (elem, raw) {
        (ElemType::String, _) => Tensor::from_vec(shape, proto.string_data.clone()),
        (ElemType::Mini(mini), Some(raw)) => unpacked(mini, shape, len, raw),
        (ElemType::Mini(mini), None) => {
            let listed: Vec<u8> = proto.int32_data.iter().map(|&v| v as u8).collect();
            let raw = Raw { bytes: listed.len() as u64, from: Box::new(&listed[..]) };
            unpacked(mini, shape, len, raw)
        }
        (elem, Some(mut raw)) => from_reader(elem.wire(), &shape, raw.bytes, &mut raw.from),
        (elem, None) => typed(proto, elem, shape),
    }
}

/// The bytes that a file has for elements that take `size` bytes here.
const fn stored_bytes(elem: ElemType, size: usize) -> usize {
    match elem {
        ElemType::Mini(mini) if mini.is_packed() => size.div_ceil(2),
        _ => size,
    }
}

/// Elements of a byte, or of half a byte with the first in the low half.
fn unpacked(mini: Mini, shape: Shape, len: usize, mut raw: Raw<'_>) -> Result<Tensor> {
    let bytes = stored_bytes(ElemType::Mini(mini), len);
    if raw.bytes != bytes as u64 {
        return Err(OpError::invalid(format!("{} bytes do not make shape {shape}", raw.bytes)));
    }
    let packed = from_reader(DType::U8, &Shape::new(&[bytes]), raw.bytes, &mut raw.from)?.to_vec::<u8>()?;
    let codes = if mini.is_packed() {
        let halves = packed.iter().flat_map(|&byte| [byte, byte >> 4]);
        halves.take(len).map(|code| mini.unpack(code)).collect()
    } else {
        packed
    };
    Tensor::from_codes(mini, shape, codes)
}

fn shape(dims: &[i64]) -> Result<Shape> {
    dims.iter()
        .map(|&dim| {
            usize::try_from(dim).map_err(|_| OpError::invalid(format!("dimension {dim} is negative")))
        })
        .collect()
}

/// The typed lists: each holds several element types, narrower ones by their bits.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn typed(proto: &TensorProto, elem: ElemType, shape: Shape) -> Result<Tensor> {
    let ints = proto.int32_data.iter();
    match elem {
        ElemType::F32 => Tensor::from_vec(shape, proto.float_data.clone()),
        ElemType::F64 => Tensor::from_vec(shape, proto.double_data.clone()),
        ElemType::I64 => Tensor::from_vec(shape, proto.int64_data.clone()),
        ElemType::U64 => Tensor::from_vec(shape, proto.uint64_data.clone()),
        ElemType::U32 => Tensor::from_vec(shape, proto.uint64_data.iter().map(|&v| v as u32).collect()),
        ElemType::I32 => Tensor::from_vec(shape, proto.int32_data.clone()),
        ElemType::I16 => Tensor::from_vec(shape, ints.map(|&v| v as i16).collect()),
        ElemType::I8 => Tensor::from_vec(shape, ints.map(|&v| v as i8).collect()),
        ElemType::U16 => Tensor::from_vec(shape, ints.map(|&v| v as u16).collect()),
        ElemType::U8 => Tensor::from_vec(shape, ints.map(|&v| v as u8).collect()),
        ElemType::Bool => Tensor::from_bools(shape, ints.map(|&v| v != 0)),
        ElemType::F16 => Tensor::from_vec(shape, ints.map(|&v| f16::from_bits(v as u16)).collect()),
        ElemType::BF16 => Tensor::from_vec(shape, ints.map(|&v| bf16::from_bits(v as u16)).collect()),
        ElemType::String => Tensor::from_vec(shape, proto.string_data.clone()),
        ElemType::Mini(_) => Err(OpError::invalid(format!("elements of {elem} are read as bytes"))),
    }
}

/// External data, which lies beside the model's file.
fn external(proto: &TensorProto, len: usize, files: Option<&dyn Files>) -> Result<Raw<'static>> {
    let files = files.ok_or_else(|| OpError::unsupported("external data is not allowed here"))?;
    let entry = |key: &str| proto.external_data.iter().find(|e| e.key == key).map(|e| e.value.as_str());
    let location = Path::new(entry("location").unwrap_or_default());
    let plain = location.components().all(|part| matches!(part, Component::Normal(_)));
    if !plain || location.as_os_str().is_empty() {
        return Err(OpError::invalid("external data must lie beside the model, in its version's folder"));
    }
    let number = |key: &str, default: u64| {
        let text = entry(key).map_or(Ok(default), str::parse);
        text.map_err(|_| OpError::invalid(format!("the {key} of external data is no number")))
    };
    let (offset, length) = (number("offset", 0)?, number("length", len as u64)?);
    if length != len as u64 {
        return Err(OpError::invalid(format!("{length} bytes of external data, expected {len}")));
    }
    let file = open(files, location, offset, length).map_err(|error| {
        OpError::invalid(format!("external data '{}': {}", location.display(), why(&error)))
    })?;
    Ok(Raw { bytes: length, from: file })
}

/// A file at the place where `len` bytes begin.
fn open(files: &dyn Files, location: &Path, offset: u64, len: u64) -> io::Result<Box<dyn Source>> {
    let mut file = files.beside(location)?;
    if file.seek(SeekFrom::End(0))? < offset.saturating_add(len) {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is too short"));
    }
    file.seek(SeekFrom::Start(offset))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use girandole_proto::onnx::{StringStringEntryProto, tensor_proto::DataType};

    use super::*;

    fn proto(data_type: DataType, dims: &[i64]) -> TensorProto {
        TensorProto {
            data_type: data_type as i32,
            dims: dims.to_vec(),
            name: "w".into(),
            ..Default::default()
        }
    }

    #[test]
    fn raw_and_typed_data_read_the_same() {
        let raw =
            TensorProto { raw_data: vec![0x00, 0x3c, 0x00, 0xc0].into(), ..proto(DataType::Float16, &[2]) };
        let typed = TensorProto { int32_data: vec![0x3c00, 0xc000], ..proto(DataType::Float16, &[2]) };
        let expected = [f16::from_f32(1.0), f16::from_f32(-2.0)];
        assert_eq!(tensor_from_proto(&raw, None).unwrap().to_vec::<f16>().unwrap(), expected);
        assert_eq!(tensor_from_proto(&typed, None).unwrap().to_vec::<f16>().unwrap(), expected);
    }

    #[test]
    fn halves_of_bytes_are_unpacked_low_half_first() {
        let raw = TensorProto { raw_data: vec![0xf1, 0x08].into(), ..proto(DataType::Int4, &[3]) };
        let typed = TensorProto { int32_data: vec![0xf1, 0x08], ..proto(DataType::Int4, &[3]) };
        for tensor in [raw, typed] {
            let (mini, codes) = tensor_from_proto(&tensor, None).unwrap().codes().unwrap();
            assert_eq!((mini, codes.to_vec::<u8>().unwrap()), (Mini::I4, vec![1, 0xff, 0xf8]));
        }
        let short = TensorProto { raw_data: vec![0xf1].into(), ..proto(DataType::Uint4, &[3]) };
        assert!(tensor_from_proto(&short, None).is_err());
    }

    #[test]
    fn malformed_tensors_are_errors_that_name_them() {
        let short = TensorProto { raw_data: vec![0; 3].into(), ..proto(DataType::Float, &[2]) };
        assert!(tensor_from_proto(&short, None).unwrap_err().to_string().starts_with("tensor 'w'"));
        assert!(tensor_from_proto(&proto(DataType::Float, &[-1]), None).is_err());
        assert!(tensor_from_proto(&proto(DataType::Float, &[i64::MAX, 8]), None).is_err());
        assert!(tensor_from_proto(&proto(DataType::Complex64, &[1]), None).is_err());
    }

    #[test]
    fn external_data_stays_inside_the_folder() {
        let files = girandole_core::Folder::of(std::env::temp_dir().join("model.onnx"));
        for location in ["../secret", "/etc/hostname", ""] {
            let entry = StringStringEntryProto { key: "location".into(), value: location.into() };
            let tensor = TensorProto {
                external_data: vec![entry],
                data_location: DataLocation::External as i32,
                ..proto(DataType::Uint8, &[1])
            };
            let error = tensor_from_proto(&tensor, Some(&files)).unwrap_err();
            assert!(error.to_string().contains("beside the model"), "{error}");
        }
    }
}
