//! Keys that model files are encrypted with: 256 random bits, each told from the others by an id made of it.

mod command;
mod source;

use std::{fmt, iter};

use aws_lc_rs::hkdf;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use girandole_core::{Error, Result};
use zeroize::Zeroizing;

pub use self::source::KeySource;

/// Bytes of a key.
const BYTES: usize = 32;
/// The most keys of one source.
const MAX_KEYS: usize = 64;

/// A key for model files. Erased when it is dropped.
pub struct ModelKey(Zeroizing<[u8; BYTES]>);

/// Tells keys apart, in encrypted files and in messages, and says nothing about them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyId(pub(crate) [u8; 8]);

/// The keys that there are, at least one.
#[derive(Debug)]
pub struct ModelKeys {
    newest: ModelKey,
    older: Vec<ModelKey>,
}

impl ModelKey {
    fn parse(text: &str) -> Option<Self> {
        let mut key = Zeroizing::new([0; BYTES]);
        if text.len() == 2 * BYTES {
            for (byte, digits) in key.iter_mut().zip(text.as_bytes().as_chunks::<2>().0) {
                let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
                *byte = u8::try_from(high? << 4 | low?).ok()?;
            }
        } else {
            let decoded = Zeroizing::new(STANDARD.decode(text).ok()?);
            key.copy_from_slice(decoded.get(..BYTES).filter(|_| decoded.len() == BYTES)?);
        }
        Some(Self(key))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &*self.0
    }

    pub(crate) fn id(&self) -> KeyId {
        let mut id = [0; 8];
        let key = hkdf::Salt::new(hkdf::HKDF_SHA256, b"girandole model key id").extract(self.bytes());
        // As many bytes as the id has are never too many for HKDF.
        let made = key.expand(&[], IdBytes).and_then(|okm| okm.fill(&mut id));
        debug_assert!(made.is_ok());
        KeyId(id)
    }
}

struct IdBytes;

impl hkdf::KeyType for IdBytes {
    fn len(&self) -> usize {
        8
    }
}

impl fmt::Debug for ModelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ModelKey({})", self.id())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl ModelKeys {
    /// The keys of a text: one on each line, as 64 hexadecimal digits or in base64; `#` begins a comment.
    ///
    /// # Errors
    /// `InvalidArgument` with the line that is no key, or where there is none; it shows nothing of the text.
    pub fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        let mut keys = Vec::new();
        for (number, line) in lines.enumerate().filter(|(_, line)| !line.is_empty()) {
            let key = ModelKey::parse(line).ok_or_else(|| {
                let wanted = "must be a key of 32 bytes, as 64 hexadecimal digits or in base64";
                Error::invalid(format!("line {}: {wanted}; openssl rand -hex 32 makes one", number + 1))
            })?;
            keys.push(key);
        }
        if keys.len() > MAX_KEYS {
            return Err(Error::invalid(format!(
                "there are {} keys, at most {MAX_KEYS} are taken",
                keys.len()
            )));
        }
        let mut keys = keys.into_iter();
        let newest =
            keys.next().ok_or_else(|| Error::invalid("there is no key; openssl rand -hex 32 makes one"))?;
        Ok(Self { newest, older: keys.collect() })
    }

    /// The first, to encrypt with.
    pub const fn newest(&self) -> &ModelKey {
        &self.newest
    }

    fn all(&self) -> impl Iterator<Item = &ModelKey> {
        iter::once(&self.newest).chain(&self.older)
    }

    /// The key of an id.
    ///
    /// # Errors
    /// `InvalidArgument` with the ids of those there are.
    pub(crate) fn get(&self, id: KeyId) -> Result<&ModelKey> {
        self.all().find(|key| key.id() == id).ok_or_else(|| {
            let known: Vec<_> = self.all().map(|key| key.id().to_string()).collect();
            let known = known.join(", ");
            Error::invalid(format!(
                "it is encrypted with the key {id}, and there is {known}; add that key, or encrypt the version anew"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const BASE64: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn keys_are_read_in_both_forms_and_the_first_is_the_newest() {
        let other = "f".repeat(64);
        let keys = ModelKeys::parse(&format!("# comment\n{BASE64} # of march\n\n{other}\r\n")).unwrap();
        let expected: Vec<u8> = (0..32).collect();
        assert_eq!(keys.newest().bytes(), expected);
        let same = ModelKeys::parse(HEX).unwrap();
        assert!(keys.get(same.newest().id()).is_ok());
        let other = ModelKeys::parse(&other).unwrap().newest().id();
        let missing = same.get(other).unwrap_err();
        assert!(missing.message().contains(&other.to_string()), "{missing}");
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_shown() {
        for wrong in
            ["", "# none", "secret", &HEX[1..], &format!("{HEX}00"), &HEX.replace('a', "g"), &BASE64[4..]]
        {
            let error = ModelKeys::parse(wrong).unwrap_err();
            assert!(wrong.is_empty() || !error.message().contains(wrong), "{error}");
        }
        assert!(ModelKeys::parse(&format!("{HEX}\n").repeat(65)).is_err());
    }

    #[test]
    fn debug_shows_ids_alone() {
        let keys = ModelKeys::parse(HEX).unwrap();
        let shown = format!("{keys:?}");
        assert_eq!(shown, format!("ModelKeys {{ newest: ModelKey({}), older: [] }}", keys.newest().id()));
        assert!(!shown.contains("0001"), "{shown}");
    }
}
