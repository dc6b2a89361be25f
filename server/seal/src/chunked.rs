//! Reading anywhere in what can only be had, and checked, a chunk at a time.

use std::io::{self, Read, Seek, SeekFrom};

/// Bytes of a chunk.
pub const CHUNK: usize = 64 << 10;

/// A file in chunks of [`CHUNK`] bytes, of which the last may be shorter.
pub trait Chunks {
    /// Bytes in all.
    fn bytes(&self) -> u64;

    /// Puts a chunk, checked, in the place of what `into` holds.
    ///
    /// # Errors
    /// Where it cannot be read, or is not what it should be.
    fn chunk(&mut self, index: u64, into: &mut Vec<u8>) -> io::Result<()>;
}

/// A reader over chunks. Keeps the one that was read last, and nothing of one that failed.
#[derive(Debug)]
pub struct Chunked<C> {
    chunks: C,
    at: u64,
    held: Option<u64>,
    buffer: Vec<u8>,
}

impl<C: Chunks> Chunked<C> {
    /// A reader at the beginning.
    pub const fn new(chunks: C) -> Self {
        Self { chunks, at: 0, held: None, buffer: Vec::new() }
    }

    fn hold(&mut self, index: u64) -> io::Result<()> {
        if self.held != Some(index) {
            self.held = None;
            self.chunks.chunk(index, &mut self.buffer)?;
            self.held = Some(index);
        }
        Ok(())
    }
}

impl<C: Chunks> Read for Chunked<C> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if to.is_empty() || self.at >= self.chunks.bytes() {
            return Ok(0);
        }
        self.hold(self.at / CHUNK as u64)?;
        let within = (self.at % CHUNK as u64) as usize;
        let read = self.buffer.get(within..).unwrap_or_default().read(to)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl<C: Chunks> Seek for Chunked<C> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.chunks.bytes().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        let before = || io::Error::new(io::ErrorKind::InvalidInput, "a place before the file's beginning");
        self.at = target.ok_or_else(before)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes that count up, in chunks; counts how often one is asked for.
    struct Counting {
        bytes: u64,
        asked: usize,
    }

    impl Chunks for Counting {
        fn bytes(&self) -> u64 {
            self.bytes
        }

        fn chunk(&mut self, index: u64, into: &mut Vec<u8>) -> io::Result<()> {
            self.asked += 1;
            let begin = index * CHUNK as u64;
            *into = (begin..self.bytes.min(begin + CHUNK as u64)).map(byte).collect();
            Ok(())
        }
    }

    fn byte(at: u64) -> u8 {
        (at % 251) as u8
    }

    proptest! {
        #[test]
        fn it_reads_as_a_file_of_these_bytes_does(
            bytes in 0..3 * CHUNK as u64, at in 0..4 * CHUNK as u64, len in 0..2 * CHUNK as u64
        ) {
            let mut file = Chunked::new(Counting { bytes, asked: 0 });
            prop_assert_eq!(file.seek(SeekFrom::End(0)).unwrap(), bytes);
            file.seek(SeekFrom::Start(at)).unwrap();
            let mut read = Vec::new();
            file.by_ref().take(len).read_to_end(&mut read).unwrap();
            let expected: Vec<u8> = (at..bytes.min(at.saturating_add(len)).max(at)).map(byte).collect();
            prop_assert_eq!(read, expected);
        }
    }

    #[test]
    fn a_chunk_is_asked_for_once_while_it_is_read() {
        let mut file = Chunked::new(Counting { bytes: 2 * CHUNK as u64, asked: 0 });
        let mut four = [0; 4];
        for at in [0, 8, 4] {
            file.seek(SeekFrom::Start(at)).unwrap();
            file.read_exact(&mut four).unwrap();
        }
        assert_eq!((four, file.chunks.asked), ([4, 5, 6, 7], 1));
        assert!(file.seek(SeekFrom::Current(-9)).is_err());
        assert_eq!(file.stream_position().unwrap(), 8);
    }
}
