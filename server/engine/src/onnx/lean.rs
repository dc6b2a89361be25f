//! A model file without its weights: what the graph's initializers hold in bytes stays in the file until each
//! is read, straight into its tensor. So a model is never in memory twice while it loads.
//!
//! The file is walked by protobuf's encoding as far as the initializers lie: model, graph, tensor. All else is
//! copied and decoded as ever. <https://protobuf.dev/programming-guides/encoding>

use std::{
    cell::RefCell,
    io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom},
    ops::Range,
};

use girandole_core::{Error, Files, Source, why};
use girandole_proto::onnx::{ModelProto, TensorProto};
use prost::Message;

use super::{
    import::Weights,
    tensor::{Raw, tensor_from_file},
};
use crate::{
    error::{OpError, Result, unreadable},
    value::Tensor,
};

/// Fewer bytes are decoded with the message.
const SMALL: u64 = 4096;

/// Fields of length-prefixed messages: number and wire type.
const GRAPH: u64 = 7 << 3 | 2;
const INITIALIZER: u64 = 5 << 3 | 2;
const RAW_DATA: u64 = 9 << 3 | 2;

/// The weights that were left in the file.
pub(super) struct Left {
    file: RefCell<Box<dyn Source>>,
    /// Where the bytes of the graph's initializers lie, in order; `None` for those in the message.
    places: Places,
}

impl Weights for Left {
    fn tensor(&self, index: usize, proto: &TensorProto, files: &dyn Files) -> Option<Result<Tensor>> {
        self.with(index, |raw| tensor_from_file(proto, files, raw))
    }
}

impl Left {
    /// The bytes of an initializer, where they were left in the file.
    ///
    /// # Errors
    /// Where the file cannot be read.
    fn with<T>(&self, initializer: usize, read: impl FnOnce(Raw<'_>) -> Result<T>) -> Option<Result<T>> {
        let place = self.places.get(initializer)?.clone()?;
        let mut file = self.file.borrow_mut();
        if let Err(error) = file.seek(SeekFrom::Start(place.start)) {
            return Some(Err(OpError::invalid(format!("the file cannot be read: {}", why(&error)))));
        }
        let bytes = place.end - place.start;
        Some(read(Raw { bytes, from: Box::new(file.by_ref().take(bytes)) }))
    }
}

/// Where the bytes of each initializer lie.
type Places = Vec<Option<Range<u64>>>;

/// Reads everything but the weights.
///
/// # Errors
/// `InvalidArgument` where the file is empty or no ONNX model, `Unavailable` where it cannot be read.
pub(super) fn read(mut file: Box<dyn Source>) -> Result<(ModelProto, Left), Error> {
    let (message, places) = walk(&mut *file).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof | ErrorKind::InvalidData => malformed(&error),
        _ => unreadable("the model's file", &error),
    })?;
    if message.is_empty() {
        return Err(Error::invalid("the file is empty"));
    }
    let model = ModelProto::decode(bytes::Bytes::from(message)).map_err(|error| malformed(&error))?;
    Ok((model, Left { file: RefCell::new(file), places }))
}

fn malformed(error: &dyn std::error::Error) -> Error {
    Error::invalid(format!("the file is no ONNX model, or is truncated: {error}"))
}

fn walk(file: &mut dyn Source) -> io::Result<(Vec<u8>, Places)> {
    let end = file.seek(SeekFrom::End(0))?;
    file.rewind()?;
    let mut walk = Walk { file: BufReader::new(file), at: 0, places: Vec::new() };
    Ok((walk.message(Level::Model, end)?, walk.places))
}

/// The messages that initializers lie in.
#[derive(Clone, Copy)]
enum Level {
    Model,
    Graph,
    Tensor,
}

struct Walk<'f> {
    file: BufReader<&'f mut dyn Source>,
    at: u64,
    places: Places,
}

impl Walk<'_> {
    /// The message up to `end`, without the weights.
    fn message(&mut self, level: Level, end: u64) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        while self.at < end {
            let key = self.varint(end)?;
            match (level, key) {
                (Level::Model, GRAPH) => self.nested(Level::Graph, key, end, &mut out)?,
                (Level::Graph, INITIALIZER) => {
                    self.places.push(None);
                    self.nested(Level::Tensor, key, end, &mut out)?;
                }
                (Level::Tensor, RAW_DATA) => self.raw_data(end, &mut out)?,
                _ => self.field(key, end, &mut out)?,
            }
        }
        Ok(out)
    }

    fn nested(&mut self, level: Level, key: u64, end: u64, out: &mut Vec<u8>) -> io::Result<()> {
        let length = self.length(end)?;
        let message = self.message(level, self.at + length)?;
        put(out, key);
        put(out, message.len() as u64);
        out.extend(message);
        Ok(())
    }

    /// The last of several counts, as everywhere in protobuf.
    fn raw_data(&mut self, end: u64, out: &mut Vec<u8>) -> io::Result<()> {
        let length = self.length(end)?;
        let place = self.at..self.at + length;
        let small = length < SMALL;
        if let Some(last) = self.places.last_mut() {
            *last = (!small).then_some(place);
        }
        if small {
            put(out, RAW_DATA);
            put(out, length);
            return self.copy(length, out);
        }
        // No file is so long that its length in bytes is no offset.
        self.at += length;
        self.file.seek_relative(length.cast_signed())
    }

    /// A field as it is.
    fn field(&mut self, key: u64, end: u64, out: &mut Vec<u8>) -> io::Result<()> {
        put(out, key);
        let length = match key & 7 {
            0 => {
                put(out, self.varint(end)?);
                return Ok(());
            }
            1 => 8,
            2 => {
                let length = self.length(end)?;
                put(out, length);
                length
            }
            5 => 4,
            other => return Err(invalid(&format!("a field of wire type {other}"))),
        };
        self.copy(length, out)
    }

    fn copy(&mut self, length: u64, out: &mut Vec<u8>) -> io::Result<()> {
        let copied = self.file.by_ref().take(length).read_to_end(out)? as u64;
        self.at += copied;
        if copied == length { Ok(()) } else { Err(truncated()) }
    }

    /// A length, of which all lies before `end`.
    fn length(&mut self, end: u64) -> io::Result<u64> {
        let length = self.varint(end)?;
        let fits = self.at.checked_add(length).is_some_and(|last| last <= end);
        if fits { Ok(length) } else { Err(truncated()) }
    }

    fn varint(&mut self, end: u64) -> io::Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            if self.at >= end {
                return Err(truncated());
            }
            let mut byte = [0];
            self.file.read_exact(&mut byte)?;
            self.at += 1;
            value |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] < 0x80 {
                return Ok(value);
            }
        }
        Err(invalid("a number of more than ten bytes"))
    }
}

/// Appends a varint.
fn put(out: &mut Vec<u8>, value: u64) {
    prost::encoding::encode_varint(value, out);
}

fn truncated() -> io::Error {
    io::Error::new(ErrorKind::UnexpectedEof, "a message ends early")
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use girandole_proto::onnx::{GraphProto, TensorProto};

    use super::*;

    fn model(sizes: &[usize]) -> ModelProto {
        let tensor = |(i, &size): (usize, &usize)| TensorProto {
            name: format!("w{i}"),
            raw_data: vec![i as u8; size].into(),
            ..Default::default()
        };
        let initializer = sizes.iter().enumerate().map(tensor).collect();
        let graph = GraphProto { name: "g".into(), initializer, ..Default::default() };
        ModelProto { ir_version: 300, graph: Some(graph), ..Default::default() }
    }

    #[test]
    fn large_weights_stay_in_the_file_and_all_else_is_decoded() {
        let whole = model(&[3, 5000, 0, 70_000]);
        let file = Cursor::new(whole.encode_to_vec());
        let (mut lean, weights) = read(Box::new(file)).unwrap();
        for (index, expected) in whole.graph.as_ref().unwrap().initializer.iter().enumerate() {
            let mut bytes = Vec::new();
            let there = weights.with(index, |mut raw| {
                assert_eq!(raw.bytes, expected.raw_data.len() as u64);
                raw.from.read_to_end(&mut bytes).unwrap();
                Ok(())
            });
            assert_eq!(there.is_some(), expected.raw_data.len() >= 4096);
            let tensor = &mut lean.graph.as_mut().unwrap().initializer[index];
            assert_eq!(tensor.raw_data.is_empty(), there.is_some() || expected.raw_data.is_empty());
            if there.is_some() {
                tensor.raw_data = bytes.into();
            }
        }
        assert_eq!(lean, whole);
    }

    #[test]
    fn of_several_the_last_counts() {
        let twice = |first: usize, last: usize| {
            let tensor = |size: usize| TensorProto { raw_data: vec![7; size].into(), ..Default::default() };
            let both = [tensor(first).encode_to_vec(), tensor(last).encode_to_vec()].concat();
            let mut graph = vec![INITIALIZER as u8];
            put(&mut graph, both.len() as u64);
            graph.extend(both);
            let mut file = vec![GRAPH as u8];
            put(&mut file, graph.len() as u64);
            file.extend(graph);
            file
        };
        let file = Cursor::new(twice(5000, 3));
        let (lean, weights) = read(Box::new(file)).unwrap();
        assert!(weights.with(0, |_| Ok(())).is_none());
        assert_eq!(lean.graph.unwrap().initializer[0].raw_data.len(), 3);
        let file = Cursor::new(twice(3, 5000));
        let (_, weights) = read(Box::new(file)).unwrap();
        assert_eq!(weights.with(0, |raw| Ok(raw.bytes)).unwrap().unwrap(), 5000);
    }

    #[test]
    fn wherever_a_file_ends_early_it_is_refused() {
        let whole = model(&[3, 5000]).encode_to_vec();
        // With three bytes the first field is whole.
        for len in 4..whole.len() {
            let error = read(Box::new(Cursor::new(whole[..len].to_vec()))).err().unwrap();
            assert!(error.message().contains("truncated"), "{len}: {}", error.message());
        }
        assert!(read(Box::new(Cursor::new([]))).err().unwrap().message().contains("empty"));
        assert!(read(Box::new(Cursor::new([0xff; 40]))).is_err());
    }
}
