//! Changes of a file's bytes that know nothing of its format.

use bytes::Bytes;

use super::random::Random;

pub(super) fn mutate(file: &Bytes, random: &mut Random) -> Bytes {
    let mut bytes = file.to_vec();
    for _ in 0..=random.below(3) {
        once(&mut bytes, random);
    }
    bytes.into()
}

fn once(bytes: &mut Vec<u8>, random: &mut Random) {
    if bytes.is_empty() {
        return;
    }
    let at = random.below(bytes.len());
    let end = (at + 1 + random.below(16)).min(bytes.len());
    match random.below(6) {
        0 => bytes.truncate(at),
        1 => bytes[at] = random.pick(&[0, 1, 0x7f, 0x80, 0xff]),
        2 => drop(bytes.drain(at..end)),
        3 => {
            let again = bytes[at..end].to_vec();
            bytes.splice(at..at, again);
        }
        _ => bytes[at] ^= 1 << random.below(8),
    }
}
