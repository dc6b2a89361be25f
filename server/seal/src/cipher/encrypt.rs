//! From a stream to an encrypted one, a chunk at a time.

use std::io::{self, Read, Write};

use aws_lc_rs::{error::Unspecified, rand};

use super::{FileKey, Header, Place, SALT};
use crate::{CHUNK, key::ModelKey};

/// Encrypts a file for its path in its version.
///
/// # Errors
/// Where one cannot be read or the other written.
pub fn encrypt(from: &mut dyn Read, to: &mut dyn Write, key: &ModelKey, path: &str) -> io::Result<()> {
    let failed = |_: Unspecified| io::Error::other("encrypting failed");
    let mut salt = [0; SALT];
    rand::fill(&mut salt).map_err(failed)?;
    let header = Header { key: key.id(), salt }.to_bytes();
    let file_key = FileKey::derive(key, &header, path).map_err(failed)?;
    to.write_all(&header)?;
    let mut chunk = next(from)?;
    for index in 0.. {
        // Nothing after a whole chunk makes it the last.
        let following = if chunk.len() == CHUNK { next(from)? } else { Vec::new() };
        let last = following.is_empty();
        file_key.seal(Place { index, last }, &mut chunk).map_err(failed)?;
        to.write_all(&chunk)?;
        if last {
            break;
        }
        chunk = following;
    }
    Ok(())
}

/// The next chunk; a short one where the stream ends, an empty one after its end.
fn next(from: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut chunk = Vec::with_capacity(CHUNK + super::TAG);
    from.take(CHUNK as u64).read_to_end(&mut chunk)?;
    Ok(chunk)
}
