//! API keys: long random words of which the file has the digest.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, de::Error as _};
use sha2::{Digest, Sha256, digest::generic_array::GenericArray};
use subtle::ConstantTimeEq;

/// What keys begin with, so that those who look for leaked secrets find them.
const PREFIX: &str = "girandole_";
/// Random bytes of a key: far beyond guessing, so that its digest needs no salt and no slowness.
const BYTES: usize = 32;

/// A secret's SHA-256.
#[derive(Clone, Copy)]
pub(crate) struct KeyDigest([u8; 32]);

/// Secrets by their digests, and whose they are.
#[derive(Clone, Debug)]
pub struct Secrets<T>(Vec<(KeyDigest, T)>);

impl<T> Default for Secrets<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Secrets<T> {
    /// One more secret, itself not kept.
    pub fn add(&mut self, secret: &[u8], holder: T) {
        self.push(KeyDigest(Sha256::digest(secret).into()), holder);
    }

    pub(crate) fn push(&mut self, digest: KeyDigest, holder: T) {
        self.0.push((digest, holder));
    }

    /// The holder of a secret.
    pub fn holder(&self, secret: &[u8]) -> Option<&T> {
        let digest = Sha256::digest(secret);
        let mut holder = None;
        // All are looked at, so that the time tells nothing.
        for (known, held) in &self.0 {
            if known.0.ct_eq(&digest).into() {
                holder = Some(held);
            }
        }
        holder
    }

    /// All holders.
    pub fn holders(&self) -> impl ExactSizeIterator<Item = &T> {
        self.0.iter().map(|(_, holder)| holder)
    }
}

/// A new key from random bytes, and its digest as the file has it.
pub fn new_key(random: [u8; BYTES]) -> (String, String) {
    let key = format!("{PREFIX}{:x}", GenericArray::from(random));
    let digest = format!("{:x}", Sha256::digest(key.as_bytes()));
    (key, digest)
}

impl<'de> Deserialize<'de> for KeyDigest {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Arc::<str>::deserialize(from)?;
        let digits = text.as_bytes().as_chunks::<2>();
        let byte = |pair: &[u8; 2]| {
            let text = std::str::from_utf8(pair).ok()?;
            // `from_str_radix` would take a sign.
            let plain = pair.iter().all(u8::is_ascii_hexdigit);
            u8::from_str_radix(text, 16).ok().filter(|_| plain)
        };
        let bytes: Option<Vec<u8>> = digits.0.iter().map(byte).collect();
        let bytes = bytes.filter(|_| digits.1.is_empty()).and_then(|bytes| bytes.try_into().ok());
        bytes
            .map(Self)
            .ok_or_else(|| D::Error::custom("must be the 64 hexadecimal digits of a key's SHA-256"))
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct File {
        sha256: KeyDigest,
    }

    #[test]
    fn a_key_is_known_by_its_digest_alone() {
        let (key, digest) = new_key([7; BYTES]);
        let parsed: File = toml::from_str(&format!("sha256 = '{digest}'")).unwrap();
        let mut keys = Secrets::default();
        keys.push(parsed.sha256, "app");
        let holder = |secret: &str| keys.holder(secret.as_bytes());
        assert_eq!(holder(&key), Some(&"app"));
        assert!(holder(&key[1..]).is_none() && holder("").is_none() && holder(&digest).is_none());
        assert!(!format!("{keys:?}").contains(&digest[..8]));
    }

    #[test]
    fn digests_that_are_none_are_refused() {
        for wrong in ["", "00", &"0".repeat(63), &"0".repeat(66), &"+".repeat(64), &"zz".repeat(32)] {
            assert!(toml::from_str::<File>(&format!("sha256 = '{wrong}'")).is_err(), "{wrong}");
        }
    }
}
