//! Judges lines one after the other: whether each is whole, and follows the one before. Pure.
//!
//! Bytes that are no entry are held until the next entry: it may say that the log was repaired there after a crash
//! and what it found, and then a line that was torn is no fault. Whole lines that are no entries always are one.

use std::fmt;

use girandole_core::audit::What;

use crate::{
    entry::Entry,
    line::{self, origin},
};

/// Where a chain stands: what its next entry must follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The newest entry's number; 0 before the first.
    pub seq: u64,
    /// Its hash.
    pub hash: String,
}

impl Default for Head {
    fn default() -> Self {
        Self { seq: 0, hash: origin() }
    }
}

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file, and the line in it from 1.
    pub place: (String, usize),
    /// What is wrong.
    pub flaw: Flaw,
}

/// What can be wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It is not what was written.
    Changed,
    /// Its end is missing, and nothing follows.
    CutOff,
    /// Entries from this number up to the one before this line's are missing.
    Removed(u64, u64),
    /// The entry with this number stands after a later one, or twice.
    Moved(u64),
    /// It does not follow the entry before it, which was put in another's place.
    Unlinked,
    /// The hash that was looked for is no entry's.
    HeadMissing(String),
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Whole entries.
    pub entries: u64,
    /// Where the chain stands.
    pub head: Head,
    /// Everything that is wrong, in order.
    pub faults: Vec<Fault>,
    /// Lines that a crash tore and the server closed.
    pub repaired: u64,
    /// The number of the first entry that is there, where that is not 1 and the caller allows it.
    pub begins_at: Option<u64>,
}

/// The state of judging.
#[derive(Debug, Default)]
pub struct Chain {
    report: Report,
    allow_missing_start: bool,
    expected: Option<String>,
    /// What stands since the last entry and is none.
    fragment: Vec<u8>,
    /// Its lines.
    fragment_places: Vec<(String, usize)>,
}

impl Chain {
    /// Judges a chain from its first entry on. With `allow_missing_start` older entries may have been taken away;
    /// a hash that is given must be one of an entry.
    pub fn new(allow_missing_start: bool, contains: Option<String>) -> Self {
        Self { allow_missing_start, expected: contains, ..Self::default() }
    }

    /// Takes a line without its end.
    pub fn line(&mut self, place: (String, usize), bytes: &[u8]) {
        match line::open(bytes) {
            Some((entry, hash)) => self.entry(place, &entry, hash),
            None => {
                self.fragment.extend_from_slice(bytes);
                self.fragment.push(b'\n');
                self.fragment_places.push(place);
            }
        }
    }

    /// Takes the bytes after the last line end, where there are any, and says what was found.
    pub fn end(mut self, rest: Option<((String, usize), &[u8])>) -> Report {
        let lines = std::mem::take(&mut self.fragment_places);
        lines.into_iter().for_each(|place| self.fault(place, Flaw::Changed));
        if let Some((place, _)) = rest {
            self.fault(place, Flaw::CutOff);
        }
        if let Some(hash) = self.expected.take() {
            self.fault(("the log".to_owned(), 0), Flaw::HeadMissing(hash));
        }
        self.report
    }

    fn entry(&mut self, place: (String, usize), entry: &Entry, hash: String) {
        let skipped = self.close_fragment(entry);
        let (next, linked) = (self.report.head.seq + 1 + skipped, entry.prev == self.report.head.hash);
        let first = self.report.entries == 0 && skipped == 0;
        match entry.seq {
            seq if first && seq > 1 && self.allow_missing_start => self.report.begins_at = Some(seq),
            seq if seq > next => self.fault(place, Flaw::Removed(next, seq - 1)),
            seq if seq < next => self.fault(place, Flaw::Moved(seq)),
            // The hash of a line that was changed is not known.
            _ if !linked && skipped == 0 => self.fault(place, Flaw::Unlinked),
            _ => {}
        }
        self.expected.take_if(|expected| *expected == hash);
        self.report.entries += 1;
        self.report.head = Head { seq: entry.seq, hash };
    }

    /// Judges what stands before an entry and is none; gives how many entries it must have been.
    fn close_fragment(&mut self, entry: &Entry) -> u64 {
        let (fragment, places) =
            (std::mem::take(&mut self.fragment), std::mem::take(&mut self.fragment_places));
        if fragment.is_empty() {
            return 0;
        }
        // The line end of a torn line is the repair's own.
        let torn = fragment.strip_suffix(b"\n").unwrap_or(&fragment);
        let told = |bytes: &[u8]| {
            let found = What::LogRepaired { bytes: bytes.len() as u64, sha256: line::hash(bytes) };
            entry.change.what == found
        };
        if told(torn) && places.len() == 1 {
            self.report.repaired += 1;
            return 0;
        }
        let repaired = told(torn) || told(&fragment);
        let lines = places.len() as u64;
        places.into_iter().for_each(|place| self.fault(place, Flaw::Changed));
        if repaired { 0 } else { lines }
    }

    fn fault(&mut self, place: (String, usize), flaw: Flaw) {
        self.report.faults.push(Fault { place, flaw });
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, line) = &self.place;
        match &self.flaw {
            Flaw::HeadMissing(hash) => write!(f, "{file}: no entry has the hash {hash}: the end was cut off"),
            flaw => write!(f, "{file}:{line}: {flaw}"),
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed => f.write_str("this line was changed, it is not what was written"),
            Self::CutOff => f.write_str("this line's end is missing: a crash tore it, or it was cut off"),
            Self::Removed(first, last) if first == last => {
                write!(f, "entry {first} was removed before this line")
            }
            Self::Removed(first, last) => {
                write!(f, "entries {first} to {last} were removed before this line")
            }
            Self::Moved(seq) => write!(f, "entry {seq} stands here a second time, or was moved"),
            Self::Unlinked => f.write_str("this entry does not follow the one before it, which was replaced"),
            Self::HeadMissing(hash) => write!(f, "no entry has the hash {hash}"),
        }
    }
}

#[cfg(test)]
mod tests;
