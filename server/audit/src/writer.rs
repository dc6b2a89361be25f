//! The thread that writes entries, and the handle by which others tell it of changes.
//!
//! Invariant: telling never waits and never fails. What cannot be written, as the disk is full or too slow, is
//! counted, logged once, and told of by an entry as soon as one can be written again.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::SystemTime,
};

use girandole_core::{
    Error, Result,
    audit::{Actor, Change, Witness},
};

use crate::{
    file::{LogFile, Recorded},
    metrics,
    read::{Wanted, entries},
};

/// Changes that may wait for the disk.
const PENDING: usize = 1024;

/// Where to write, and how much into one file.
#[derive(Clone, Debug)]
pub struct AuditOptions {
    /// The file.
    pub path: PathBuf,
    /// Bytes from which on a file is full.
    pub max_bytes: u64,
}

impl AuditOptions {
    /// A log in `path`, in files of 16 MiB.
    pub fn new(path: PathBuf) -> Self {
        Self { path, max_bytes: 16 << 20 }
    }
}

/// A log that is being written; dropped, it waits until everything is on the disk.
#[derive(Debug)]
pub struct AuditLog {
    path: PathBuf,
    sender: Option<SyncSender<Message>>,
    thread: Option<JoinHandle<()>>,
    /// Entries lost that no entry told of yet.
    lost: Arc<AtomicU64>,
}

enum Message {
    Record(Recorded),
    /// Told once everything before it was tried.
    Flush(SyncSender<()>),
}

impl AuditLog {
    /// Opens a log, after what is in it, and starts its thread.
    ///
    /// # Errors
    /// `InvalidArgument` where it cannot be opened or written, or another server writes it.
    pub fn start(options: &AuditOptions) -> Result<Self> {
        let file = LogFile::open(&options.path, options.max_bytes);
        let file = file.map_err(|error| {
            Error::invalid(format!("the audit log {} cannot be written: {error}", options.path.display()))
        })?;
        let (sender, messages) = sync_channel(PENDING);
        let lost = Arc::new(AtomicU64::new(0));
        let writer =
            Writer { options: options.clone(), file: Some(file), lost: lost.clone(), failing: false };
        let thread = thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run(&messages));
        let thread = thread.map_err(|_| Error::internal("the audit log's thread could not be started"))?;
        // The series are there before anything is written.
        metrics::written().increment(0);
        metrics::lost().increment(0);
        Ok(Self { path: options.path.clone(), sender: Some(sender), thread: Some(thread), lost })
    }

    /// The entries that are wanted, those included that were told of before.
    ///
    /// # Errors
    /// `Unavailable` where the log cannot be read.
    pub fn entries(&self, wanted: &Wanted) -> Result<Vec<String>> {
        self.flush();
        let found = entries(&self.path, wanted);
        let found = found
            .map_err(|error| Error::unavailable(format!("the audit log cannot be read: {}", error.kind())))?;
        Ok(found.into_iter().map(|(_, line)| line).collect())
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until everything told of before is on the disk, or was tried.
    pub fn flush(&self) {
        let (done, flushed) = sync_channel(1);
        if self.sender.as_ref().is_some_and(|sender| sender.send(Message::Flush(done)).is_ok()) {
            // The thread ends only after this handle.
            let _ = flushed.recv();
        }
    }
}

impl Witness for AuditLog {
    fn record(&self, who: &Actor, change: Change) {
        let recorded = Recorded { time: SystemTime::now(), who: who.clone(), change };
        let sent =
            self.sender.as_ref().is_some_and(|sender| sender.try_send(Message::Record(recorded)).is_ok());
        if !sent {
            metrics::lost().increment(1);
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Writer {
    options: AuditOptions,
    /// `None` after a failure, until it can be opened again.
    file: Option<LogFile>,
    lost: Arc<AtomicU64>,
    failing: bool,
}

impl Writer {
    fn run(mut self, messages: &Receiver<Message>) {
        while let Ok(first) = messages.recv() {
            // Everything that waits goes to the disk together.
            let waiting: Vec<_> = std::iter::once(first).chain(messages.try_iter().take(PENDING)).collect();
            let (mut changes, mut waiters) = (Vec::new(), Vec::new());
            for message in waiting {
                match message {
                    Message::Record(recorded) => changes.push(recorded),
                    Message::Flush(done) => waiters.push(done),
                }
            }
            if !changes.is_empty() {
                self.write(&changes);
            }
            // Who asked may have gone.
            waiters.into_iter().for_each(|done| done.send(()).unwrap_or_default());
        }
    }

    fn write(&mut self, changes: &[Recorded]) {
        let (count, lost) = (changes.len() as u64, self.lost.swap(0, Ordering::Relaxed));
        match self.try_write(changes, lost) {
            Ok(()) => {
                metrics::written().increment(count);
                self.failing = false;
            }
            Err(error) => {
                self.file = None;
                self.lost.fetch_add(lost + count, Ordering::Relaxed);
                metrics::lost().increment(count);
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(%error, "the audit log cannot be written; serving goes on without it");
                }
            }
        }
    }

    fn try_write(&mut self, changes: &[Recorded], lost: u64) -> std::io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(LogFile::open(&self.options.path, self.options.max_bytes)?),
        };
        file.append(changes, lost)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use girandole_core::audit::What;

    use super::*;
    use crate::verify;

    #[test]
    fn what_is_told_is_on_the_disk_once_it_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let log = AuditLog::start(&AuditOptions::new(folder.path().join("a.jsonl"))).unwrap();
        for version in 1..=20 {
            log.record(&Actor::Repository, Change::new(What::VersionLoaded).of("m").versions([version]));
        }
        assert_eq!(log.entries(&Wanted { limit: Some(3), ..Wanted::default() }).unwrap().len(), 3);
        assert_eq!(log.entries(&Wanted { model: Some("n".into()), ..Wanted::default() }).unwrap().len(), 0);
        assert_eq!(verify(log.path(), false, None).unwrap().entries, 20);
    }

    #[test]
    fn a_log_that_cannot_be_written_stops_nobody_and_tells_of_it_later() {
        let folder = tempfile::tempdir().unwrap();
        let (there, away) = (folder.path().join("there"), folder.path().join("away"));
        fs::create_dir(&there).unwrap();
        // Every write needs a new file.
        let log = AuditLog::start(&AuditOptions { path: there.join("a.jsonl"), max_bytes: 0 }).unwrap();
        let write = || {
            log.record(&Actor::Server, Change::new(What::VersionLoaded));
            log.flush();
        };
        write();
        fs::rename(&there, &away).unwrap();
        (0..3).for_each(|_| write());
        fs::rename(&away, &there).unwrap();
        write();
        let told = log.entries(&Wanted::default()).unwrap();
        assert!(
            told.iter().any(|line| line.contains(r#""what":"entries_lost","detail":{"count":3}"#)),
            "{told:?}"
        );
        let report = verify(log.path(), false, None).unwrap();
        assert_eq!((report.entries, report.faults.as_slice()), (3, &[][..]));
    }
}
