//! Encrypted files: AES-256-GCM in chunks, each bound to its place, so that a file may be read anywhere and nothing of
//! it can be changed, moved, cut off or put under another name.
//!
//! The form is STREAM (Hoang, Reyhanitabar, Rogaway and Vizár, "Online Authenticated-Encryption and its Nonce-Reuse
//! Misuse-Resistance", 2015) as age has it: 48 bytes of [`Header`], then chunks of [`CHUNK`] bytes, each with a tag of
//! 16. The nonce of a chunk is its number in 11 bytes and one that is 1 for the last. The key is the file's own: HKDF
//! (RFC 5869) makes it of the model key, the header with its 32 random bytes, and the file's path in its version.

mod decrypt;
mod encrypt;
#[cfg(test)]
mod tests;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    error::Unspecified,
    hkdf,
};

pub use self::{decrypt::Decrypted, encrypt::encrypt};
use crate::{
    CHUNK,
    key::{KeyId, ModelKey},
};

/// What the names of encrypted files end with.
pub const SUFFIX: &str = ".enc";

/// What encrypted files begin with; the version of the form follows.
const MAGIC: [u8; 7] = *b"GIRANDE";
const VERSION: u8 = 1;
const HEADER: usize = MAGIC.len() + 1 + 8 + SALT;
const SALT: usize = 32;
const TAG: usize = 16;

/// The beginning of an encrypted file.
#[derive(Clone, Copy)]
struct Header {
    key: KeyId,
    salt: [u8; SALT],
}

impl Header {
    fn to_bytes(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let parts = [&MAGIC[..], &[VERSION], &self.key.0, &self.salt].concat();
        bytes.copy_from_slice(&parts);
        bytes
    }

    /// What a file begins with.
    ///
    /// # Errors
    /// What is wrong with it.
    fn parse(bytes: &[u8; HEADER]) -> Result<Self, String> {
        let none = || "it is no encrypted model file, or its beginning was changed".to_owned();
        let rest = bytes.strip_prefix(&MAGIC).ok_or_else(none)?;
        let (version, rest) = rest.split_first().ok_or_else(none)?;
        if *version != VERSION {
            return Err(format!("it is encrypted in form {version}, and this server knows form {VERSION}"));
        }
        let (key, rest) = rest.split_first_chunk().ok_or_else(none)?;
        Ok(Self { key: KeyId(*key), salt: *rest.first_chunk().ok_or_else(none)? })
    }
}

/// Bytes of a file and of its chunks, decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    bytes: u64,
    chunks: u64,
}

impl Extent {
    /// Of an encrypted file of this length; `None` where no file has it.
    fn of(encrypted: u64) -> Option<Self> {
        let sealed = encrypted.checked_sub(HEADER as u64)?;
        let chunks = sealed.div_ceil((CHUNK + TAG) as u64);
        let bytes = sealed.checked_sub(chunks * TAG as u64)?;
        // Only a file of nothing has a chunk of nothing.
        let whole = bytes.div_ceil(CHUNK as u64).max(1);
        (chunks == whole).then_some(Self { bytes, chunks })
    }
}

/// What an encrypted file of this length holds; `None` where no file has it.
pub fn plain_len(encrypted: u64) -> Option<u64> {
    Extent::of(encrypted).map(|extent| extent.bytes)
}

/// The key of one file.
struct FileKey(LessSafeKey);

impl FileKey {
    /// Of the file that begins with this header and lies at this path in its version.
    fn derive(key: &ModelKey, header: &[u8; HEADER], path: &str) -> Result<Self, Unspecified> {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"girandole encrypted file");
        let secret = salt.extract(key.bytes());
        let info = [header, path.as_bytes()];
        Ok(Self(LessSafeKey::new(UnboundKey::from(secret.expand(&info, &AES_256_GCM)?))))
    }

    fn seal(&self, place: Place, chunk: &mut Vec<u8>) -> Result<(), Unspecified> {
        self.0.seal_in_place_append_tag(place.nonce(), Aad::empty(), chunk)
    }

    fn open(&self, place: Place, chunk: &mut Vec<u8>) -> Result<(), Unspecified> {
        let len = self.0.open_in_place(place.nonce(), Aad::empty(), chunk)?.len();
        chunk.truncate(len);
        Ok(())
    }
}

/// Where a chunk stands in its file.
#[derive(Clone, Copy)]
struct Place {
    index: u64,
    last: bool,
}

impl Place {
    fn nonce(self) -> Nonce {
        let mut nonce = [0; 12];
        let (counter, last) = nonce.split_at_mut(11);
        if let Some(low) = counter.last_chunk_mut::<8>() {
            *low = self.index.to_be_bytes();
        }
        last.fill(u8::from(self.last));
        Nonce::assume_unique_for_key(nonce)
    }
}
