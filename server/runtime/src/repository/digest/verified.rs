//! Files held to what they were when their digests were checked. A load reads them a second time, and between the two
//! anybody who can write the directory may have put others in their place: so what is read is compared again, by
//! SHA-256's state at the chunk's two ends.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

use girandole_core::Source;
use girandole_seal::{CHUNK, Chunked, Chunks};
use sha2::{Digest, Sha256};

/// The files of a version that are listed and were as listed.
#[derive(Debug)]
pub(in crate::repository) struct Verified {
    dir: PathBuf,
    files: BTreeMap<String, Arc<Checkpoints>>,
}

/// A file's length, and SHA-256's state before its first chunk and after each.
#[derive(Debug)]
pub(super) struct Checkpoints {
    bytes: u64,
    states: Vec<Sha256>,
}

/// A file whose chunks are compared.
struct Checked {
    file: File,
    known: Arc<Checkpoints>,
}

impl Verified {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), files: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, path: &str, checkpoints: Checkpoints) {
        self.files.insert(path.to_owned(), Arc::new(checkpoints));
    }

    /// Opens a file; what is not as it was when it was checked is an error when it is read.
    ///
    /// # Errors
    /// Where it is not listed (of the kind `NotFound`), or cannot be opened.
    pub(in crate::repository) fn open(&self, path: &str) -> io::Result<Box<dyn Source>> {
        let unlisted = || {
            let message = format!("'{path}' is not listed in {}", super::DIGEST_FILE);
            io::Error::new(io::ErrorKind::NotFound, message)
        };
        let known = self.files.get(path).ok_or_else(unlisted)?;
        let file = File::open(self.dir.join(path))?;
        Ok(Box::new(Chunked::new(Checked { file, known: known.clone() })))
    }
}

impl Checkpoints {
    /// Of all that there is to read.
    pub(super) fn of(from: &mut impl Read) -> io::Result<Self> {
        let (mut bytes, mut state, mut states) = (0, Sha256::new(), Vec::new());
        let mut chunk = Vec::with_capacity(CHUNK);
        loop {
            states.push(state.clone());
            chunk.clear();
            from.take(CHUNK as u64).read_to_end(&mut chunk)?;
            if chunk.is_empty() {
                return Ok(Self { bytes, states });
            }
            bytes += chunk.len() as u64;
            state.update(&chunk);
        }
    }

    /// The whole file's SHA-256 in lower-case hexadecimal.
    pub(super) fn digest(&self) -> String {
        format!("{:x}", self.states.last().cloned().unwrap_or_default().finalize())
    }

    /// Whether this is the chunk that was there.
    fn agrees(&self, index: u64, chunk: &[u8]) -> bool {
        let state = |index: u64| self.states.get(usize::try_from(index).ok()?).cloned();
        let (Some(before), Some(after)) = (state(index), state(index + 1)) else { return false };
        before.chain_update(chunk).finalize() == after.finalize()
    }
}

impl Chunks for Checked {
    fn bytes(&self) -> u64 {
        self.known.bytes
    }

    fn chunk(&mut self, index: u64, into: &mut Vec<u8>) -> io::Result<()> {
        let begin = index * CHUNK as u64;
        self.file.seek(SeekFrom::Start(begin))?;
        into.clear();
        self.file.by_ref().take((self.known.bytes - begin).min(CHUNK as u64)).read_to_end(into)?;
        match self.known.agrees(index, into) {
            true => Ok(()),
            false => Err(io::Error::other("it changed after its digest was checked")),
        }
    }
}
