//! Whatever is done to an encrypted file, it is read as it was or not at all.

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use proptest::prelude::*;

use super::*;
use crate::ModelKeys;

const SEALED: usize = CHUNK + TAG;

fn keys(digit: char) -> ModelKeys {
    ModelKeys::parse(&digit.to_string().repeat(64)).unwrap()
}

fn plain(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 253) as u8).collect()
}

fn encrypted(plain: &[u8], path: &str) -> Vec<u8> {
    let mut file = Vec::new();
    encrypt(&mut &*plain, &mut file, keys('a').newest(), path).unwrap();
    file
}

fn decrypted(file: &[u8], keys: &ModelKeys, path: &str) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    Decrypted::open(Cursor::new(file), keys, path)?.read_to_end(&mut plain)?;
    Ok(plain)
}

fn refused(file: &[u8], path: &str) -> String {
    decrypted(file, &keys('a'), path).unwrap_err().to_string()
}

#[test]
fn what_is_encrypted_comes_back_and_its_length_is_known() {
    for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
        let (plain, file) = (plain(len), encrypted(&plain(len), "model.onnx"));
        assert_eq!(plain_len(file.len() as u64), Some(len as u64));
        assert_eq!(decrypted(&file, &keys('a'), "model.onnx").unwrap(), plain, "{len}");
        let visible = plain.len() > 16 && file.windows(16).any(|window| window == &plain[..16]);
        assert!(!visible, "{len}");
    }
}

#[test]
fn two_encryptions_share_nothing_but_their_beginning() {
    let [one, other] = [(); 2].map(|()| encrypted(&plain(100), "model.onnx"));
    assert_eq!(one[..HEADER - SALT], other[..HEADER - SALT]);
    assert_ne!(one[HEADER - SALT..HEADER], other[HEADER - SALT..HEADER]);
    assert_ne!(one[HEADER..HEADER + 16], other[HEADER..HEADER + 16]);
}

#[test]
fn a_wrong_key_is_refused_with_both_ids() {
    let file = encrypted(b"abc", "m");
    let error = decrypted(&file, &keys('b'), "m").unwrap_err().to_string();
    for keys in [keys('a'), keys('b')] {
        assert!(error.contains(&keys.newest().id().to_string()), "{error}");
    }
    // The id alone does not make it the right key.
    let mut file = file;
    file[8..16].copy_from_slice(&keys('b').newest().id().0);
    assert!(decrypted(&file, &keys('b'), "m").unwrap_err().to_string().contains("cannot be decrypted"));
    let both = format!("{}\n{}", "b".repeat(64), "a".repeat(64));
    assert!(decrypted(&encrypted(b"abc", "m"), &ModelKeys::parse(&both).unwrap(), "m").is_ok());
}

#[test]
fn a_file_that_is_cut_short_anywhere_is_refused() {
    let file = encrypted(&plain(2 * CHUNK + 100), "m");
    // Between chunks too, and where the last chunk would be one of nothing.
    let ends = [0, 7, HEADER - 1, HEADER, HEADER + TAG, HEADER + SEALED, HEADER + 2 * SEALED, file.len() - 1];
    for end in ends.into_iter().chain([HEADER + 2 * SEALED + TAG]) {
        assert!(!refused(&file[..end], "m").is_empty(), "{end}");
    }
    assert!(refused(&file[..HEADER + SEALED], "m").contains("cut short"));
    assert!(decrypted(&[&file[..], b"x"].concat(), &keys('a'), "m").is_err());
}

#[test]
fn chunks_stay_in_their_place_and_files_under_their_name() {
    let (file, other) = (encrypted(&plain(3 * CHUNK), "m"), encrypted(&plain(3 * CHUNK), "m"));
    let chunk = |file: &[u8], index: usize| file[HEADER + index * SEALED..][..SEALED].to_vec();
    let put = |index: usize, chunk: Vec<u8>| {
        let mut changed = file.clone();
        changed[HEADER + index * SEALED..][..SEALED].copy_from_slice(&chunk);
        changed
    };
    let mut swapped = put(0, chunk(&file, 1));
    swapped[HEADER + SEALED..][..SEALED].copy_from_slice(&chunk(&file, 0));
    assert!(refused(&swapped, "m").contains("bytes 0 to 65536"), "{}", refused(&swapped, "m"));
    assert!(refused(&put(1, chunk(&other, 1)), "m").contains("bytes 65536 to 131072"));
    assert!(refused(&put(2, chunk(&file, 1)), "m").contains("its end"));
    assert!(refused(&file, "weights.bin").contains("another name"));
    let header = [&other[..HEADER], &file[HEADER..]].concat();
    assert!(refused(&header, "m").contains("its end"));
}

#[test]
fn other_files_and_other_forms_are_told_apart() {
    let mut file = encrypted(b"abc", "m");
    assert!(refused(&plain(100), "m").contains("no encrypted model file"));
    file[7] = 2;
    assert!(refused(&file, "m").contains("form 2"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_flipped_bit_is_never_read(len in 0..2 * CHUNK + 100, at: prop::sample::Index, bit in 0..8u8) {
        let mut file = encrypted(&plain(len), "m");
        let at = at.index(file.len());
        file[at] ^= 1u8 << bit;
        prop_assert!(decrypted(&file, &keys('a'), "m").is_err(), "byte {at} of {}", file.len());
    }

    #[test]
    fn any_part_can_be_read_alone(len in 1..3 * CHUNK, begin: prop::sample::Index, count in 0..CHUNK) {
        let plain = plain(len);
        let begin = begin.index(len);
        let mut file = Decrypted::open(Cursor::new(encrypted(&plain, "m")), &keys('a'), "m").unwrap();
        file.seek(SeekFrom::Start(begin as u64)).unwrap();
        let mut part = Vec::new();
        file.take(count as u64).read_to_end(&mut part).unwrap();
        prop_assert_eq!(&part[..], &plain[begin..len.min(begin + count)]);
    }

    #[test]
    fn lengths_that_no_file_has_are_none(encrypted: u64) {
        if let Some(bytes) = plain_len(encrypted) {
            let chunks = bytes.div_ceil(CHUNK as u64).max(1);
            prop_assert_eq!(HEADER as u64 + bytes + chunks * TAG as u64, encrypted);
        }
    }
}
