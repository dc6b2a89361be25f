//! How many fields a message may have, counted on its bytes before anything is made of them.
//!
//! An empty input takes two bytes on the wire and three hundred in memory, so a bound on bytes alone lets a message
//! take a hundred times its size. What is not counted takes at most sixteen times its size: packed numbers and raw
//! bytes.

use std::any::TypeId;

use crate::oip::{ModelInferRequest, TraceSettingRequest};

/// Most fields of a message itself: an inference request's inputs, outputs, raw contents and parameters together.
pub const MOST_FIELDS: usize = if cfg!(fuzzing) { 64 } else { 1 << 14 };

/// Most strings and messages at any depth: parameters, elements of typed `BYTES` contents, bytes of shapes.
pub const MOST_ITEMS: usize = if cfg!(fuzzing) { 512 } else { 1 << 20 };

/// Protobuf's wire type of what is preceded by its length.
const DELIMITED: u64 = 2;

/// Why a message is not read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TooMany {
    /// Of the message itself.
    #[error("a message has at most {MOST_FIELDS} inputs, outputs, raw contents and parameters together")]
    Fields,
    /// At any depth.
    #[error("a message has at most {MOST_ITEMS} strings and parameters, send more in raw_input_contents")]
    Items,
}

/// What the fields of a message lead to.
#[derive(Clone, Copy)]
enum Kind {
    Infer,
    Input,
    Trace,
    TraceEntry,
    /// Fields that are counted and lead to nothing more.
    Flat,
    /// Bytes that are counted.
    Shape,
    /// Nothing that is counted.
    Leaf,
}

impl Kind {
    /// What a message of type `M` is: those that have repeated fields in messages are known.
    fn of<M: 'static>() -> Self {
        match TypeId::of::<M>() {
            id if id == TypeId::of::<ModelInferRequest>() => Self::Infer,
            id if id == TypeId::of::<TraceSettingRequest>() => Self::Trace,
            _ => Self::Leaf,
        }
    }

    /// What stands in one of its fields.
    const fn field(self, number: u64) -> Self {
        match (self, number) {
            (Self::Infer, 5) => Self::Input,
            (Self::Infer, 6) | (Self::Input, 5) | (Self::TraceEntry, 2) => Self::Flat,
            (Self::Input, 3) => Self::Shape,
            (Self::Trace, 1) => Self::TraceEntry,
            _ => Self::Leaf,
        }
    }
}

/// Counts the fields of a message of type `M`.
///
/// # Errors
/// Where there are more than there may be. What is no message is left to the decoder to refuse.
pub fn check<M: 'static>(message: &[u8]) -> Result<(), TooMany> {
    if Fields(message).take(MOST_FIELDS + 1).count() > MOST_FIELDS {
        return Err(TooMany::Fields);
    }
    count(Kind::of::<M>(), message, MOST_ITEMS).map(drop).ok_or(TooMany::Items)
}

/// What is left of `most` after the items of a message.
fn count(kind: Kind, message: &[u8], most: usize) -> Option<usize> {
    match kind {
        Kind::Leaf => Some(most),
        Kind::Shape => most.checked_sub(message.len()),
        Kind::Infer | Kind::Input | Kind::Trace | Kind::TraceEntry | Kind::Flat => Fields(message)
            .try_fold(most, |left, (number, content)| {
                count(kind.field(number), content, left.checked_sub(1)?)
            }),
    }
}

/// The fields of a message that are preceded by their length: numbers and contents. Ends where it is no message.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, &'a [u8]);

    fn next(&mut self) -> Option<(u64, &'a [u8])> {
        loop {
            let key = varint(&mut self.0)?;
            let skipped = match key & 7 {
                0 => varint(&mut self.0).map(drop),
                1 => split(&mut self.0, 8).map(drop),
                DELIMITED => {
                    let len = usize::try_from(varint(&mut self.0)?).ok()?;
                    return Some((key >> 3, split(&mut self.0, len)?));
                }
                // A group: its fields count as if they were the message's own.
                3 | 4 => Some(()),
                5 => split(&mut self.0, 4).map(drop),
                _ => None,
            };
            skipped?;
        }
    }
}

fn split<'a>(bytes: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (first, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(first)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    prost::encoding::decode_varint(bytes).ok()
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::oip::{
        InferTensorContents, ModelStreamInferResponse, RepositoryModelLoadRequest,
        model_infer_request::{InferInputTensor, InferRequestedOutputTensor},
        trace_setting_request::SettingValue,
    };

    fn request(inputs: usize, contents: InferTensorContents) -> Vec<u8> {
        let mut inputs = vec![InferInputTensor::default(); inputs];
        inputs[0].contents = Some(contents);
        ModelInferRequest { inputs, ..Default::default() }.encode_to_vec()
    }

    #[test]
    fn messages_are_counted_before_they_are_made() {
        let few = request(MOST_FIELDS, Default::default());
        assert_eq!(check::<ModelInferRequest>(&few), Ok(()));
        let many = request(MOST_FIELDS + 1, Default::default());
        assert_eq!(check::<ModelInferRequest>(&many), Err(TooMany::Fields));
        let outputs = vec![InferRequestedOutputTensor::default(); MOST_FIELDS + 1];
        let outputs = ModelInferRequest { outputs, ..Default::default() }.encode_to_vec();
        assert_eq!(check::<ModelInferRequest>(&outputs), Err(TooMany::Fields));
        assert_eq!(check::<RepositoryModelLoadRequest>(&many), Err(TooMany::Fields), "in any message");
    }

    #[test]
    fn typed_strings_and_sizes_are_counted_and_numbers_are_not() {
        let strings = |count| InferTensorContents {
            bytes_contents: vec![Default::default(); count],
            ..Default::default()
        };
        // The input and its contents count too.
        assert_eq!(check::<ModelInferRequest>(&request(1, strings(MOST_ITEMS - 2))), Ok(()));
        assert_eq!(check::<ModelInferRequest>(&request(1, strings(MOST_ITEMS))), Err(TooMany::Items));
        let numbers = InferTensorContents { int_contents: vec![0; 2 * MOST_ITEMS], ..Default::default() };
        assert_eq!(check::<ModelInferRequest>(&request(1, numbers)), Ok(()));
        let shape = InferInputTensor { shape: vec![1; MOST_ITEMS], ..Default::default() };
        let shape = ModelInferRequest { inputs: vec![shape], ..Default::default() }.encode_to_vec();
        assert_eq!(check::<ModelInferRequest>(&shape), Err(TooMany::Items));
        let values = SettingValue { value: vec![String::new(); MOST_ITEMS] };
        let settings = [("trace_level".to_owned(), values)].into();
        let trace = TraceSettingRequest { settings, ..Default::default() }.encode_to_vec();
        assert_eq!(check::<TraceSettingRequest>(&trace), Err(TooMany::Items));
        assert_eq!(check::<ModelStreamInferResponse>(&shape), Ok(()), "a message of another type");
    }

    #[test]
    fn what_is_no_message_is_left_to_the_decoder() {
        for broken in [&b"\xff"[..], &[0x2a, 0x7f, 1], &[0x2e], &[0x0b, 0x0c]] {
            assert_eq!(check::<ModelInferRequest>(broken), Ok(()));
        }
        let group = [vec![0x0b], request(MOST_FIELDS + 1, Default::default()), vec![0x0c]].concat();
        assert_eq!(check::<ModelInferRequest>(&group), Err(TooMany::Fields));
    }
}
