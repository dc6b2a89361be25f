//! What keeps model files from being changed and from being read: Ed25519 signatures, and AES-256-GCM in chunks.
//!
//! Works on bytes and streams; which files there are and what is asked of them is the runtime's to say. Key material is
//! erased when it is dropped and shown by no `Debug`.
#![forbid(unsafe_code)]

mod chunked;
mod cipher;
mod key;
mod signature;

pub use chunked::{CHUNK, Chunked, Chunks};
pub use cipher::{Decrypted, SUFFIX, encrypt, plain_len};
pub use key::{KeySource, ModelKey, ModelKeys};
pub use signature::{SIGNATURE_BYTES, SigningKey, TrustedKeys};
