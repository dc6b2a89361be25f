//! The wire form of `BYTES` tensors: each element is a 4-byte little-endian length and that many bytes.

use bytes::{BufMut, Bytes, BytesMut};

use crate::{Error, Result};

const PREFIX: usize = 4;

/// The wire form of these elements.
pub fn encode<'a>(elements: impl IntoIterator<Item = &'a [u8]>) -> Bytes {
    let mut out = BytesMut::new();
    for element in elements {
        push(&mut out, element);
    }
    out.freeze()
}

/// Appends one element; an element above 4 GiB is cut, which no caller's size limit lets through.
pub fn push(out: &mut BytesMut, element: &[u8]) {
    let len = u32::try_from(element.len()).unwrap_or(u32::MAX);
    out.reserve(PREFIX + element.len());
    out.put_u32_le(len);
    out.put_slice(&element[..len as usize]);
}

/// The elements in order; ends at the first that is cut short.
pub fn iter(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = data;
    std::iter::from_fn(move || {
        let (element, tail) = split_first(rest)?;
        rest = tail;
        Some(element)
    })
}

/// Checks that `data` holds exactly `elements` elements.
///
/// # Errors
/// `InvalidArgument` that says how many were found.
pub fn check(data: &[u8], elements: usize) -> Result<()> {
    let mut rest = data;
    let mut found = 0usize;
    while let Some((_, tail)) = split_first(rest) {
        rest = tail;
        found += 1;
    }
    if found == elements && rest.is_empty() {
        return Ok(());
    }
    let cut = if rest.is_empty() { "" } else { " and a truncated one" };
    Err(Error::invalid(format!(
        "BYTES data must hold {elements} elements, each after its 4-byte little-endian length; found {found}{cut}"
    )))
}

/// Elements `start..end`, sharing the bytes.
pub(crate) fn slice(data: &Bytes, start: usize, end: usize) -> Result<Bytes> {
    let from = offset(data, start)?;
    let to = from + offset(&data[from..], end - start)?;
    Ok(data.slice(from..to))
}

fn offset(data: &[u8], elements: usize) -> Result<usize> {
    let mut rest = data;
    for _ in 0..elements {
        let (_, tail) = split_first(rest).ok_or_else(|| Error::internal("a BYTES tensor is cut short"))?;
        rest = tail;
    }
    Ok(data.len() - rest.len())
}

fn split_first(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (prefix, rest) = data.split_first_chunk::<PREFIX>()?;
    rest.split_at_checked(u32::from_le_bytes(*prefix) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_read_back() {
        let elements = [&b"x"[..], b"", b"yz"];
        let data = encode(elements);
        assert_eq!(iter(&data).collect::<Vec<_>>(), elements);
        assert!(check(&data, 3).is_ok());
    }

    #[test]
    fn a_truncated_element_is_found() {
        let data = encode([&b"abc"[..]]);
        let error = check(&data[..5], 1).unwrap_err();
        assert!(error.message().contains("found 0 and a truncated one"));
    }
}
