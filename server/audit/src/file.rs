//! The file that is written: opened where its chain stands, appended to, put on the disk, renamed when it is full.
//!
//! Invariant: a file is open for one server at a time, and every line in it was written with one call.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use girandole_core::audit::{Actor, Change, What};

use crate::{chain::Head, entry::Entry, files, line};

/// A change, as it is waiting to be written.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) time: SystemTime,
    pub(crate) who: Actor,
    pub(crate) change: Change,
}

impl Recorded {
    /// What the log has to say of itself.
    fn own(what: What) -> Self {
        Self { time: SystemTime::now(), who: Actor::Server, change: Change::new(what) }
    }
}

/// An open log.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    max_bytes: u64,
    file: File,
    bytes: u64,
    head: Head,
}

impl LogFile {
    /// Opens a log to go on with its chain. What stands after its last entry, such as a line that a crash tore, stays
    /// and is told of by an entry of its own.
    ///
    /// # Errors
    /// Where it cannot be opened, read or written, or another server has it open.
    pub(crate) fn open(path: &Path, max_bytes: u64) -> io::Result<Self> {
        let (mut file, mut data) = (create(path)?, Vec::new());
        file.read_to_end(&mut data)?;
        let (head, sound) = newest(&data);
        let head = head.map_or_else(|| head_before(path), Ok)?;
        let mut log = Self { path: path.to_owned(), max_bytes, file, bytes: data.len() as u64, head };
        if let Some(rest) = data.get(sound..).filter(|rest| !rest.is_empty()) {
            tracing::error!(bytes = rest.len(), "the audit log does not end with an entry; closing it there");
            let repair = What::LogRepaired { bytes: rest.len() as u64, sha256: line::hash(rest) };
            let end = if rest.ends_with(b"\n") { "" } else { "\n" };
            log.write(end, &Recorded::own(repair))?;
        }
        Ok(log)
    }

    /// Adds entries and puts them on the disk, all of them or none.
    ///
    /// # Errors
    /// Where one cannot be written. Then the log is to be opened anew, as nobody knows how it ends.
    pub(crate) fn append(&mut self, changes: &[Recorded], lost: u64) -> io::Result<()> {
        if self.bytes > self.max_bytes {
            self.rotate()?;
        }
        let sound = self.bytes;
        let written = self.write_through(changes, lost);
        if written.is_err() {
            // Half a line is no entry. Where this fails too, the next opening finds and closes it.
            let _ = self.file.set_len(sound);
        }
        written
    }

    fn write_through(&mut self, changes: &[Recorded], lost: u64) -> io::Result<()> {
        if lost > 0 {
            self.write("", &Recorded::own(What::EntriesLost { count: lost }))?;
        }
        changes.iter().try_for_each(|change| self.write("", change))?;
        self.file.sync_data()
    }

    fn write(&mut self, before: &str, recorded: &Recorded) -> io::Result<()> {
        let entry = Entry {
            seq: self.head.seq + 1,
            time: humantime::format_rfc3339_micros(recorded.time).to_string(),
            who: recorded.who.to_string(),
            peer: recorded.who.peer().map(|peer| peer.to_string()),
            change: recorded.change.clone(),
            prev: self.head.hash.clone(),
        };
        let (line, hash) = line::seal(&entry)?;
        let text = format!("{before}{line}\n");
        self.file.write_all(text.as_bytes())?;
        self.bytes += text.len() as u64;
        self.head = Head { seq: entry.seq, hash };
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        fs::rename(&self.path, files::rotated(&self.path, self.head.seq))?;
        self.file = create(&self.path)?;
        self.bytes = 0;
        File::open(files::directory(&self.path))?.sync_all()
    }
}

/// Opens a file to append to, for this process alone; for its owner's eyes only where it is new.
fn create(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => io::Error::new(io::ErrorKind::WouldBlock, "another server writes it"),
        TryLockError::Error(error) => error,
    })?;
    Ok(file)
}

/// The newest whole entry of a file, and where it ends.
fn newest(data: &[u8]) -> (Option<Head>, usize) {
    let end_before = |end: usize| {
        let line_end = |data: &[u8]| data.iter().rposition(|byte| *byte == b'\n');
        data.get(..end).and_then(line_end).map_or(0, |at| at + 1)
    };
    let mut end = end_before(data.len());
    while end > 0 {
        let start = end_before(end - 1);
        if let Some((entry, hash)) = data.get(start..end - 1).and_then(line::open) {
            return (Some(Head { seq: entry.seq, hash }), end);
        }
        end = start;
    }
    (None, 0)
}

/// Where the chain stood at the end of the newest full file.
fn head_before(path: &Path) -> io::Result<Head> {
    let Some(last) = files::before(path)?.pop() else { return Ok(Head::default()) };
    Ok(newest(&fs::read(last)?).0.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::{Wanted, entries, verify};

    fn loaded(version: u64) -> Recorded {
        Recorded::own(What::VersionLoaded).map(version)
    }

    impl Recorded {
        fn map(mut self, version: u64) -> Self {
            self.change = self.change.of("m").versions([version]);
            self
        }
    }

    #[test]
    fn a_log_goes_on_where_it_stood_and_over_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        for run in 0..3 {
            let mut log = LogFile::open(&path, 1000).unwrap();
            (0..5).for_each(|version| log.append(&[loaded(run * 5 + version)], 0).unwrap());
        }
        assert!(files::before(&path).unwrap().len() >= 2);
        let report = verify(&path, false, None).unwrap();
        assert_eq!((report.entries, report.faults.as_slice()), (15, &[][..]));
        let all = entries(&path, &Wanted::default()).unwrap();
        assert!(all.iter().map(|(entry, _)| entry.seq).eq(1..=15));
        fs::remove_file(files::before(&path).unwrap().remove(1)).unwrap();
        let report = verify(&path, false, None).unwrap();
        assert_eq!(report.faults.len(), 1, "{:?}", report.faults);
    }

    #[test]
    fn a_torn_line_is_closed_and_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        LogFile::open(&path, 10_000).unwrap().append(&[loaded(1), loaded(2)], 0).unwrap();
        for torn in ["{\"seq\":3,", "\0\0\0\0"] {
            let whole = fs::read(&path).unwrap();
            fs::write(&path, [&whole, torn.as_bytes()].concat()).unwrap();
            assert_eq!(verify(&path, false, None).unwrap().faults.len(), 1);
            LogFile::open(&path, 10_000).unwrap().append(&[loaded(3)], 7).unwrap();
        }
        let report = verify(&path, false, None).unwrap();
        assert_eq!((report.repaired, report.faults.as_slice()), (2, &[][..]));
        let lost = |(entry, _): &(Entry, String)| entry.change.what == What::EntriesLost { count: 7 };
        assert!(entries(&path, &Wanted::default()).unwrap().iter().any(lost));
    }

    #[test]
    fn a_log_has_one_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let _open = LogFile::open(&path, 1000).unwrap();
        assert_eq!(LogFile::open(&path, 1000).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
