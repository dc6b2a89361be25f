//! API keys: long random words of which the file has the digest.

use std::{fmt, fmt::Write, sync::Arc};

use serde::{Deserialize, Deserializer, de::Error as _};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::caller::Caller;

/// What keys begin with, so that those who look for leaked secrets find them.
const PREFIX: &str = "girandole_";
/// Random bytes of a key: far beyond guessing, so that its digest needs no salt and no slowness.
const BYTES: usize = 32;

/// A key's SHA-256.
#[derive(Clone, Copy)]
pub(crate) struct KeyDigest([u8; 32]);

/// All keys and their holders.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys(pub(crate) Vec<(KeyDigest, Caller)>);

impl Keys {
    /// The holder of a key.
    pub(crate) fn holder(&self, key: &str) -> Option<Caller> {
        let digest = Sha256::digest(key.as_bytes());
        let mut holder = None;
        // All are looked at, so that the time tells nothing.
        for (known, caller) in &self.0 {
            if known.0.ct_eq(&digest).into() {
                holder = Some(caller);
            }
        }
        holder.cloned()
    }
}

/// A new key from random bytes, and its digest as the file has it.
pub fn new_key(random: [u8; BYTES]) -> (String, String) {
    let key = format!("{PREFIX}{}", hex(&random));
    let digest = hex(&Sha256::digest(key.as_bytes()));
    (key, digest)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
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
        let keys = Keys(vec![(parsed.sha256, Caller { name: Some("app".into()), ..Caller::unrestricted() })]);
        assert_eq!(keys.holder(&key).unwrap().name(), "app");
        assert!(
            keys.holder(&key[1..]).is_none() && keys.holder("").is_none() && keys.holder(&digest).is_none()
        );
        assert!(!format!("{keys:?}").contains(&digest[..8]));
    }

    #[test]
    fn digests_that_are_none_are_refused() {
        for wrong in ["", "00", &"0".repeat(63), &"0".repeat(66), &"+".repeat(64), &"zz".repeat(32)] {
            assert!(toml::from_str::<File>(&format!("sha256 = '{wrong}'")).is_err(), "{wrong}");
        }
    }
}
