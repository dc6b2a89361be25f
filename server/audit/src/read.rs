//! Reading a log: judging all of it, or picking entries out of it.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
    time::SystemTime,
};

use crate::{
    chain::{Chain, Report},
    entry::Entry,
    files, line,
};

/// Which entries to pick.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Of this model only.
    pub model: Option<String>,
    /// Of this moment or later.
    pub since: Option<SystemTime>,
    /// Only so many, the newest.
    pub limit: Option<usize>,
}

/// Judges a log with all its files; see [`Chain::new`].
///
/// # Errors
/// Where a file cannot be read.
pub fn verify(path: &Path, allow_missing_start: bool, contains: Option<String>) -> io::Result<Report> {
    let mut chain = Chain::new(allow_missing_start, contains);
    let mut rest = None;
    for file in files::all(path)? {
        let (mut reader, mut line, mut number) = (BufReader::new(File::open(&file)?), Vec::new(), 0);
        let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
        while reader.read_until(b'\n', &mut line)? > 0 {
            number += 1;
            let place = (name.clone(), number);
            match line.strip_suffix(b"\n") {
                Some(whole) => chain.line(place, whole),
                None => rest = Some((place, line.clone())),
            }
            line.clear();
        }
    }
    Ok(chain.end(rest.as_ref().map(|(place, line)| (place.clone(), line.as_slice()))))
}

/// The entries that are wanted, each with its line, oldest first. Lines that are no entries are left out.
///
/// # Errors
/// Where a file cannot be read.
pub fn entries(path: &Path, wanted: &Wanted) -> io::Result<Vec<(Entry, String)>> {
    let limit = wanted.limit.unwrap_or(usize::MAX);
    let mut found: Vec<(Entry, String)> = Vec::new();
    for file in files::all(path)?.iter().rev() {
        let mut older = of_file(file)?;
        let begins_later = older.first().is_none_or(|(entry, _)| !wanted.is_before(entry));
        older.retain(|(entry, _)| wanted.takes(entry));
        older.append(&mut found);
        found = older;
        if !begins_later || found.len() >= limit {
            break;
        }
    }
    Ok(found.split_off(found.len().saturating_sub(limit)))
}

/// A file's entries, wanted or not.
fn of_file(path: &Path) -> io::Result<Vec<(Entry, String)>> {
    let mut found = Vec::new();
    for line in BufReader::new(File::open(path)?).split(b'\n') {
        let line = line?;
        if let Some((entry, _)) = line::open(&line) {
            found.push((entry, String::from_utf8_lossy(&line).into_owned()));
        }
    }
    Ok(found)
}

impl Wanted {
    fn takes(&self, entry: &Entry) -> bool {
        let of_model = self.model.is_none() || self.model == entry.change.model;
        of_model && !self.is_before(entry)
    }

    fn is_before(&self, entry: &Entry) -> bool {
        let (Some(since), Some(at)) = (self.since, entry.at()) else { return false };
        at < since
    }
}
