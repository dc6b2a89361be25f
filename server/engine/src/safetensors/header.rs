//! The header of a file: its length in eight bytes, then JSON that says of each tensor its element type, its
//! shape and where its bytes lie among those after the header.
//!
//! Invariant of what is read: tensors stand in the order of their bytes, which cover the file to its end, without
//! holes and without overlaps, and each has as many as its type and shape take.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    io::{self, ErrorKind, Read, SeekFrom},
};

use ::safetensors::tensor::TensorInfo;
use girandole_core::{Shape, Source};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};

use crate::error::{OpError, Result, unreadable};

/// The most bytes of a header, as the format's own implementation has it.
const MAX_BYTES: u64 = 100_000_000;

/// The bytes of the header's length.
const PREFIX: u64 = 8;

/// The key of what is no tensor.
const METADATA: &str = "__metadata__";

/// What a file's header says.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) tensors: Vec<(String, TensorInfo)>,
    /// Where the tensors' bytes begin in the file.
    pub(super) data: u64,
}

/// Reads a file's header and holds it against the file's length.
///
/// # Errors
/// `Invalid` that says what is wrong with the file, `Placed` where it cannot be read.
pub(super) fn read(file: &mut dyn Source) -> Result<Header> {
    let (json, rest) = json(file)?;
    let Tensors(mut tensors) = serde_json::from_slice(&json)
        .map_err(|error| OpError::invalid(format!("the header is not as safetensors have it: {error}")))?;
    check(&mut tensors, rest - json.len() as u64)?;
    Ok(Header { tensors, data: PREFIX + json.len() as u64 })
}

/// The header's JSON, and the file's bytes from there on, which are no fewer.
fn json(file: &mut dyn Source) -> Result<(Vec<u8>, u64)> {
    let bytes = file.seek(SeekFrom::End(0)).map_err(|error| failed(&error))?;
    file.rewind().map_err(|error| failed(&error))?;
    let mut prefix = [0; PREFIX as usize];
    file.read_exact(&mut prefix).map_err(|error| failed(&error))?;
    let length = u64::from_le_bytes(prefix);
    let rest = bytes.saturating_sub(PREFIX);
    if length > MAX_BYTES {
        return Err(OpError::invalid(format!(
            "the file is no safetensors file: its first eight bytes ask for a header of {length} bytes, of which there \
             may be {MAX_BYTES}"
        )));
    }
    if length > rest {
        return Err(OpError::invalid(format!(
            "the file is truncated: its header has {length} bytes, and {rest} are there"
        )));
    }
    let mut json = Vec::new();
    file.take(length).read_to_end(&mut json).map_err(|error| failed(&error))?;
    if json.len() as u64 != length || json.first() != Some(&b'{') {
        return Err(OpError::invalid("the file is no safetensors file: its header does not begin with '{'"));
    }
    Ok((json, rest))
}

fn failed(error: &io::Error) -> OpError {
    match error.kind() {
        ErrorKind::UnexpectedEof => {
            OpError::invalid("the file is no safetensors file, or is truncated: it has less than eight bytes")
        }
        _ => unreadable("the model's file", error).into(),
    }
}

/// Orders the tensors by their bytes, which must be `bytes` in all.
fn check(tensors: &mut [(String, TensorInfo)], bytes: u64) -> Result<()> {
    tensors.sort_by_key(|(_, info)| info.data_offsets);
    let mut end = 0;
    for (name, info) in tensors {
        let (begin, stop) = info.data_offsets;
        if begin != end {
            return Err(OpError::invalid(format!(
                "tensor '{name}' begins at byte {begin} of the data, expected {end}: tensors must follow each other \
                 without holes and overlaps"
            )));
        }
        if size(info).is_none_or(|size| stop.checked_sub(begin) != Some(size)) {
            let shape = Shape::new(&info.shape);
            return Err(OpError::invalid(format!(
                "tensor '{name}': bytes {begin} to {stop} do not make {:?} of shape {shape}",
                info.dtype
            )));
        }
        end = stop;
    }
    if end as u64 == bytes {
        return Ok(());
    }
    Err(OpError::invalid(format!(
        "the file is truncated, or is more than its tensors: they take {end} bytes, and {bytes} follow the header"
    )))
}

/// The bytes that a tensor's type and shape take; `None` where that is no whole number that can be told.
fn size(info: &TensorInfo) -> Option<usize> {
    let bits = info.shape.iter().try_fold(info.dtype.bitsize(), |all, &dim| all.checked_mul(dim))?;
    bits.is_multiple_of(8).then_some(bits / 8)
}

/// The tensors of a header, each name once.
struct Tensors(Vec<(String, TensorInfo)>);

impl<'de> Deserialize<'de> for Tensors {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Entries)
    }
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Tensors;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tensors by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tensors, A::Error> {
        let (mut tensors, mut names) = (Vec::new(), HashSet::new());
        while let Some(name) = map.next_key::<String>()? {
            if !names.insert(name.clone()) {
                return Err(A::Error::custom(format!("'{name}' stands twice")));
            }
            if name == METADATA {
                map.next_value::<HashMap<String, String>>()?;
                continue;
            }
            let info = map.next_value::<TensorInfo>();
            let info = info.map_err(|error| A::Error::custom(format!("tensor '{name}': {error}")))?;
            tensors.push((name, info));
        }
        Ok(Tensors(tensors))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn file(header: &str, data: usize) -> Vec<u8> {
        let length = (header.len() as u64).to_le_bytes();
        [&length[..], header.as_bytes(), &vec![0; data]].concat()
    }

    #[track_caller]
    fn refused(file: Vec<u8>, part: &str) {
        let error = read(&mut Cursor::new(file)).unwrap_err().to_string();
        assert!(error.contains(part), "'{part}' is not in: {error}");
    }

    #[test]
    fn tensors_are_read_in_the_order_of_their_bytes() {
        let header = r#"{"__metadata__":{"format":"pt"},"b":{"dtype":"F16","shape":[2,1],"data_offsets":[4,8]},
            "a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"none":{"dtype":"I64","shape":[0],"data_offsets":[4,4]}}  "#;
        let read = read(&mut Cursor::new(file(header, 8))).unwrap();
        let names: Vec<_> = read.tensors.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a", "none", "b"]);
        assert_eq!(read.data, 8 + header.len() as u64);
        assert_eq!(read.tensors[2].1.shape, [2, 1]);
    }

    #[test]
    fn what_does_not_cover_its_bytes_is_refused() {
        let one = |offsets: &str, shape: &str| {
            format!(r#"{{"w":{{"dtype":"F32","shape":{shape},"data_offsets":{offsets}}}}}"#)
        };
        refused(file(&one("[4,8]", "[1]"), 8), "'w' begins at byte 4 of the data, expected 0");
        refused(file(&one("[0,4]", "[2]"), 4), "bytes 0 to 4 do not make F32 of shape [2]");
        refused(file(&one("[4,0]", "[1]"), 4), "expected 0");
        refused(file(&one("[0,4]", "[4294967296,4294967296,4]"), 4), "do not make F32");
        refused(file(&one("[0,4]", "[1]"), 3), "they take 4 bytes, and 3 follow");
        refused(file(&one("[0,4]", "[1]"), 5), "they take 4 bytes, and 5 follow");
        let both = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#;
        refused(file(both, 8), "'b' begins at byte 4 of the data, expected 8");
        let halves = r#"{"a":{"dtype":"F4","shape":[1],"data_offsets":[0,1]}}"#;
        refused(file(halves, 1), "do not make F4");
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let twice = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
        refused(file(twice, 4), "'a' stands twice");
        refused(
            file(r#"{"a":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}"#, 4),
            "tensor 'a': unknown variant `F99`",
        );
        refused(file(r#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, 4), "tensor 'a'");
        refused(file(r#"{"__metadata__":{"a":1}}"#, 0), "expected a string");
        refused(file("[]", 0), "does not begin with '{'");
        refused(file("", 0), "does not begin with '{'");
        refused(vec![1, 2, 3], "less than eight bytes");
        refused(u64::MAX.to_le_bytes().to_vec(), "ask for a header of 18446744073709551615 bytes");
        refused([&100u64.to_le_bytes()[..], b"{}"].concat(), "its header has 100 bytes, and 2 are there");
    }
}
