//! The thread that writes traces: a file that is a complete JSON array after every write.
//!
//! Invariant: at most [`PENDING`] traces wait for the disk, and none is added to [`PENDING_BYTES`] of tensors;
//! more are dropped, and that is logged once until the disk has caught up.

use std::{
    fs::File,
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
};

use girandole_core::{Error, Result};

use super::record::Trace;

/// Traces that may wait for the disk.
const PENDING: usize = 1024;

/// Bytes of tensors in waiting traces from which on no more may wait.
const PENDING_BYTES: usize = 64 << 20;

const END: &[u8] = b"\n]\n";

/// A handle on the writing thread; dropped, it waits until everything is written.
#[derive(Debug)]
pub(super) struct Writer {
    sender: Option<SyncSender<Trace>>,
    thread: Option<JoinHandle<()>>,
    /// Bytes of tensors that wait.
    pending: Arc<AtomicUsize>,
    dropping: AtomicBool,
}

impl Writer {
    pub(super) fn start(path: PathBuf) -> Result<Self> {
        let (sender, traces) = sync_channel(PENDING);
        let pending = Arc::new(AtomicUsize::new(0));
        let written = pending.clone();
        let body = move || write_all(&path, &traces, &written);
        let thread = thread::Builder::new().name("trace".into()).spawn(body);
        let thread = thread.map_err(|_| Error::unavailable("the trace's thread could not be started"))?;
        Ok(Self { sender: Some(sender), thread: Some(thread), pending, dropping: AtomicBool::new(false) })
    }

    /// Writes one trace, soon.
    pub(super) fn write(&self, trace: Trace) {
        let lost = self.send(trace).is_none();
        if lost && !self.dropping.swap(true, Ordering::Relaxed) {
            tracing::warn!("traces are dropped: they come faster than they can be written");
        } else if !lost {
            self.dropping.store(false, Ordering::Relaxed);
        }
    }

    fn send(&self, trace: Trace) -> Option<()> {
        let bytes = trace.bytes();
        let room = |pending: usize| (pending < PENDING_BYTES).then(|| pending.saturating_add(bytes));
        self.pending.try_update(Ordering::Relaxed, Ordering::Relaxed, room).ok()?;
        let sent = self.sender.as_ref()?.try_send(trace).ok();
        if sent.is_none() {
            self.pending.fetch_sub(bytes, Ordering::Relaxed);
        }
        sent
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

fn write_all(path: &Path, traces: &Receiver<Trace>, pending: &AtomicUsize) {
    let mut files = Files::default();
    let mut failed = false;
    for trace in traces {
        let outcome = files.write(path, &trace.to_json(), trace.log_frequency());
        if let (Err(error), false) = (&outcome, failed) {
            tracing::error!(%error, "a trace could not be written");
        }
        failed = outcome.is_err();
        pending.fetch_sub(trace.bytes(), Ordering::Relaxed);
    }
}

impl Files {
    fn write(&mut self, path: &Path, json: &str, log_frequency: u64) -> io::Result<()> {
        if log_frequency == 0 {
            return open(&mut self.whole, path)?.append(json);
        }
        if self.numbered.as_ref().is_some_and(|array| array.entries >= log_frequency) {
            self.numbered = None;
            self.number += 1;
        }
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}", self.number));
        open(&mut self.numbered, Path::new(&name))?.append(json)
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
