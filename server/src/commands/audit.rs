//! `girandole audit`: an audit log's entries, and whether anybody changed it.

use std::{io, iter, path::Path, process::ExitCode};

use girandole_audit::{Entry, Report, Wanted, entries, verify};
use serde_json::Value;

use super::{Failure, Outcome, output::say};
use crate::cli::{AuditCommand, AuditOptions};

/// Digits of a digest that are shown to people.
const SHORT: usize = 8;

pub(crate) fn run(options: &AuditOptions) -> Outcome {
    match &options.command {
        AuditCommand::Verify { file, contains, allow_missing_start } => {
            let report = verify(file, *allow_missing_start, contains.clone());
            let report = report.map_err(|error| unreadable(file, &error))?;
            say!("{}", told(&report));
            Ok(if report.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        AuditCommand::Show { file, model, since, json } => {
            let wanted = Wanted { model: model.clone(), since: *since, limit: None };
            let found = entries(file, &wanted).map_err(|error| unreadable(file, &error))?;
            match json {
                true => found.into_iter().for_each(|(_, line)| say!("{line}")),
                false => table(&found).for_each(|line| say!("{line}")),
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn unreadable(file: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("{}: {error}", file.display()))
}

/// What was found, in words.
fn told(report: &Report) -> String {
    let mut lines = Vec::new();
    if let Some(first) = report.begins_at {
        lines.push(format!("it begins with entry {first}; older ones are not here"));
    }
    if report.repaired > 0 {
        lines.push(format!("torn by a crash and closed by the server: {} lines", report.repaired));
    }
    lines.extend(report.faults.iter().map(ToString::to_string));
    let (entries, head, faults) = (report.entries, &report.head, report.faults.len());
    lines.push(match faults {
        0 => format!("ok: {entries} entries, the newest is {} with hash {}", head.seq, head.hash),
        _ => format!("FAILED: {faults} faults in {entries} entries"),
    });
    lines.join("\n")
}

/// The entries as a table's lines, its head the first.
fn table(found: &[(Entry, String)]) -> impl Iterator<Item = String> {
    let head = format!(
        "{:>6} {:<27} {:<12} {:<22} {:<16} {:<9} {:<17} detail",
        "seq", "time", "who", "what", "model", "versions", "before, after"
    );
    iter::once(head).chain(found.iter().map(|(entry, _)| row(entry)))
}

fn row(entry: &Entry) -> String {
    let change = &entry.change;
    let versions = change.versions.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    let line = format!(
        "{:>6} {:<27} {:<12} {:<22} {:<16} {:<9} {:<8} {:<8} {}",
        entry.seq,
        entry.time,
        entry.who,
        change.what.name(),
        change.model.as_deref().unwrap_or("-"),
        if versions.is_empty() { "-" } else { &versions },
        short(change.before.as_deref()),
        short(change.after.as_deref()),
        detail(entry)
    );
    line.trim_end().to_owned()
}

fn short(digest: Option<&str>) -> &str {
    digest.map_or("-", |digest| digest.get(..SHORT).unwrap_or(digest))
}

/// What an entry says beyond its columns, as one line of JSON.
fn detail(entry: &Entry) -> String {
    let what = serde_json::to_value(&entry.change.what).unwrap_or_default();
    what.get("detail").map(Value::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use girandole_audit::{Fault, Flaw, Head};
    use girandole_core::audit::{Change, What};

    use super::*;

    #[test]
    fn an_entry_is_a_row() {
        let what = What::WeightsSet { weights: [("canary".to_owned(), 2.5)].into() };
        let change = Change::new(what).of("forecast").versions([1, 2]).digests(None, Some("0123456789"));
        let entry = Entry {
            seq: 7,
            time: "2026-01-02T03:04:05.000006Z".to_owned(),
            who: "ops".to_owned(),
            peer: None,
            change,
            prev: String::new(),
        };
        let expected = "     7 2026-01-02T03:04:05.000006Z ops          weights_set            forecast         \
            1,2       -        01234567 {\"weights\":{\"canary\":2.5}}";
        assert_eq!(row(&entry), expected);
    }

    #[test]
    fn a_report_says_every_fault_and_then_the_sum() {
        let head = Head { seq: 3, hash: "ab".to_owned() };
        let sound = Report { entries: 3, head, ..Report::default() };
        assert_eq!(told(&sound), "ok: 3 entries, the newest is 3 with hash ab");
        let place = ("audit.jsonl".to_owned(), 2);
        let faults = vec![Fault { place, flaw: Flaw::Removed(2, 2) }];
        let wrong = Report { faults, repaired: 1, begins_at: Some(2), ..sound };
        let expected = "it begins with entry 2; older ones are not here\n\
            torn by a crash and closed by the server: 1 lines\n\
            audit.jsonl:2: entry 2 was removed before this line\nFAILED: 1 faults in 3 entries";
        assert_eq!(told(&wrong), expected);
    }
}
