//! A call's status in its trailers. The connection has no dynamic table (RFC 7541, 4.2), so `grpc-status` is always
//! written out, plainly or in HPACK's Huffman code (appendix B), of which only a few symbols are needed here.

const NAME: &[u8] = b"grpc-status";

/// Symbol, code, bits: the letters of [`NAME`] and the digits.
const CODE: [(u8, u32, u32); 19] = [
    (b'-', 0x16, 6),
    (b'a', 0x03, 5),
    (b'c', 0x04, 5),
    (b'g', 0x26, 6),
    (b'p', 0x2b, 6),
    (b'r', 0x2c, 6),
    (b's', 0x08, 5),
    (b't', 0x09, 5),
    (b'u', 0x2d, 6),
    (b'0', 0x00, 5),
    (b'1', 0x01, 5),
    (b'2', 0x02, 5),
    (b'3', 0x19, 6),
    (b'4', 0x1a, 6),
    (b'5', 0x1b, 6),
    (b'6', 0x1c, 6),
    (b'7', 0x1d, 6),
    (b'8', 0x1e, 6),
    (b'9', 0x1f, 6),
];

/// The status in a header block.
pub(super) fn find(block: &[u8]) -> Option<u8> {
    after(block, &huffman(NAME)).or_else(|| after(block, NAME)).and_then(value)
}

/// What follows the first occurrence of a name.
fn after<'a>(block: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let at = block.windows(name.len()).position(|part| part == name)?;
    block.get(at + name.len()..)
}

/// The number that a string of HPACK's holds: a bit for the code, the length, the digits.
fn value(string: &[u8]) -> Option<u8> {
    let (&first, rest) = string.split_first()?;
    let digits = rest.get(..usize::from(first & 0x7f))?;
    (0..=16).find(|number: &u8| {
        let plain = number.to_string();
        digits == if first & 0x80 == 0 { plain.into_bytes() } else { huffman(plain.as_bytes()) }
    })
}

/// A text in the code, filled up with ones. Symbols that are not in the table are left out.
fn huffman(text: &[u8]) -> Vec<u8> {
    let codes = text.iter().filter_map(|byte| CODE.iter().find(|(symbol, ..)| symbol == byte));
    let mut bits: Vec<bool> =
        codes.flat_map(|&(_, code, length)| (0..length).rev().map(move |bit| code >> bit & 1 == 1)).collect();
    bits.resize(bits.len().next_multiple_of(8), true);
    bits.chunks(8).map(|byte| byte.iter().fold(0, |sum, &bit| sum << 1 | u8::from(bit))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7541, C.6.1: `302` is `64 02`.
    #[test]
    fn digits_are_coded_as_in_the_rfc() {
        assert_eq!(huffman(b"302"), [0x64, 0x02]);
    }

    #[test]
    fn a_status_is_found_in_either_form() {
        for number in [0, 4, 8, 14] {
            let digits = number.to_string();
            let plain = [b"\0\x0bgrpc-status", &[digits.len() as u8][..], digits.as_bytes()].concat();
            assert_eq!(find(&plain), Some(number));
            let (name, coded) = (huffman(NAME), huffman(digits.as_bytes()));
            let block = [&[0x88, 0, 0x80 | name.len() as u8], &name[..], &[0x80 | coded.len() as u8], &coded];
            assert_eq!(find(&block.concat()), Some(number));
        }
        assert_eq!(find(b"\x88"), None);
    }
}
