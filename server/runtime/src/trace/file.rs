//! The thread that writes traces: a file that is a complete JSON array after every write.
//!
//! Invariant: at most [`PENDING`] traces wait for the disk; more are dropped, and that is logged once until
//! the disk has caught up.

use std::{
    fs::File,
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
};

use girandole_core::{Error, Result};

/// Traces that may wait for the disk.
const PENDING: usize = 1024;

const END: &[u8] = b"\n]\n";

/// A handle on the writing thread; dropped, it waits until everything is written.
#[derive(Debug)]
pub(super) struct Writer {
    sender: Option<SyncSender<Entry>>,
    thread: Option<JoinHandle<()>>,
    dropping: AtomicBool,
}

struct Entry {
    json: String,
    log_frequency: u64,
}

impl Writer {
    pub(super) fn start(path: PathBuf) -> Result<Self> {
        let (sender, entries) = sync_channel(PENDING);
        let body = move || write_all(&path, &entries);
        let thread = thread::Builder::new().name("trace".into()).spawn(body);
        let thread = thread.map_err(|_| Error::unavailable("the trace's thread could not be started"))?;
        Ok(Self { sender: Some(sender), thread: Some(thread), dropping: AtomicBool::new(false) })
    }

    /// Writes one trace, soon.
    pub(super) fn write(&self, json: String, log_frequency: u64) {
        let sent = self.sender.as_ref().map(|sender| sender.try_send(Entry { json, log_frequency }));
        let lost = matches!(sent, Some(Err(_)));
        if lost && !self.dropping.swap(true, Ordering::Relaxed) {
            tracing::warn!("traces are dropped: they come faster than they can be written");
        } else if !lost {
            self.dropping.store(false, Ordering::Relaxed);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The files written to: the one without a number, and the present one of those with.
#[derive(Default)]
struct Files {
    whole: Option<Array>,
    numbered: Option<Array>,
    number: u64,
}

fn write_all(path: &Path, entries: &Receiver<Entry>) {
    let mut files = Files::default();
    let mut failed = false;
    for entry in entries {
        let outcome = files.write(path, &entry);
        if let (Err(error), false) = (&outcome, failed) {
            tracing::error!(%error, "a trace could not be written");
        }
        failed = outcome.is_err();
    }
}

impl Files {
    fn write(&mut self, path: &Path, entry: &Entry) -> io::Result<()> {
        if entry.log_frequency == 0 {
            return open(&mut self.whole, path)?.append(&entry.json);
        }
        if self.numbered.as_ref().is_some_and(|array| array.entries >= entry.log_frequency) {
            self.numbered = None;
            self.number += 1;
        }
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}", self.number));
        open(&mut self.numbered, Path::new(&name))?.append(&entry.json)
    }
}

fn open<'a>(slot: &'a mut Option<Array>, path: &Path) -> io::Result<&'a mut Array> {
    match slot {
        Some(array) => Ok(array),
        None => Ok(slot.insert(Array { file: File::create(path)?, entries: 0 })),
    }
}

/// A file that holds a JSON array.
struct Array {
    file: File,
    entries: u64,
}

impl Array {
    /// Writes over the closing bracket and sets a new one.
    fn append(&mut self, json: &str) -> io::Result<()> {
        let mut text = Vec::with_capacity(json.len() + 8);
        if self.entries == 0 {
            text.extend_from_slice(b"[\n");
        } else {
            self.file.seek(SeekFrom::End(-(END.len() as i64)))?;
            text.extend_from_slice(b",\n");
        }
        text.extend_from_slice(json.as_bytes());
        text.extend_from_slice(END);
        self.file.write_all(&text)?;
        self.entries += 1;
        Ok(())
    }
}
