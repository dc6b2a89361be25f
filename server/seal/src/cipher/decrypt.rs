//! Reading an encrypted file as if it were not: chunks are decrypted as they are read, and none that does not fit is
//! ever seen.

use std::{
    fmt,
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
};

use super::{Extent, FileKey, HEADER, Header, Place, TAG};
use crate::{CHUNK, Chunked, Chunks, key::ModelKeys};

/// An encrypted file whose end was found to be its own.
pub struct Decrypted<S> {
    source: S,
    key: FileKey,
    extent: Extent,
}

impl<S: Read + Seek> Decrypted<S> {
    /// Opens the file that was encrypted for this path in its version.
    ///
    /// # Errors
    /// One with a message where it is no encrypted file, its key is not among these, or its end or its path was changed.
    pub fn open(mut source: S, keys: &ModelKeys, path: &str) -> io::Result<Chunked<Self>> {
        let length = source.seek(SeekFrom::End(0))?;
        source.rewind()?;
        let extent = Extent::of(length)
            .ok_or_else(|| io::Error::other("it is no encrypted model file, or was cut short"))?;
        let mut header = [0; HEADER];
        source.read_exact(&mut header)?;
        let key =
            keys.get(Header::parse(&header).map_err(io::Error::other)?.key).map_err(io::Error::other)?;
        let key =
            FileKey::derive(key, &header, path).map_err(|_| io::Error::other("its key cannot be made"))?;
        let mut file = Self { source, key, extent };
        // The last chunk says that all are there; no other would do in its place.
        let (mut end, last) = (Vec::new(), file.place(extent.chunks - 1));
        file.read(last, &mut end)?;
        let changed =
            "its end cannot be decrypted: it was changed or cut short, or belongs under another name";
        file.key.open(last, &mut end).map_err(|_| io::Error::other(changed))?;
        Ok(Chunked::new(file))
    }

    fn place(&self, index: u64) -> Place {
        Place { index, last: index + 1 == self.extent.chunks }
    }

    /// The bytes of a chunk that its file has, decrypted.
    fn range(&self, place: Place) -> Range<u64> {
        let begin = place.index * CHUNK as u64;
        begin..self.extent.bytes.min(begin + CHUNK as u64)
    }

    /// Reads a chunk as it is.
    fn read(&mut self, place: Place, into: &mut Vec<u8>) -> io::Result<()> {
        let range = self.range(place);
        self.source.seek(SeekFrom::Start(HEADER as u64 + place.index * (CHUNK + TAG) as u64))?;
        into.clear();
        into.reserve(CHUNK + TAG);
        self.source.by_ref().take(range.end - range.start + TAG as u64).read_to_end(into)?;
        Ok(())
    }
}

impl<S: Read + Seek> Chunks for Decrypted<S> {
    fn bytes(&self) -> u64 {
        self.extent.bytes
    }

    fn chunk(&mut self, index: u64, into: &mut Vec<u8>) -> io::Result<()> {
        let place = self.place(index);
        self.read(place, into)?;
        self.key.open(place, into).map_err(|_| {
            let Range { start, end } = self.range(place);
            io::Error::other(format!("bytes {start} to {end} cannot be decrypted: they were changed"))
        })
    }
}

impl<S> fmt::Debug for Decrypted<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decrypted({} bytes)", self.extent.bytes)
    }
}
