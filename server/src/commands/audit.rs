//! `girandole audit`: an audit log's entries, and whether anybody changed it.

use std::{io, path::Path, process::ExitCode};

use girandole_audit::{Entry, Report, Wanted, entries, verify};
use serde_json::Value;

use super::{Failure, Outcome};
use crate::cli::{AuditCommand, AuditOptions};

/// Digits of a digest that are shown to people.
const SHORT: usize = 8;

pub(crate) fn run(options: &AuditOptions) -> Outcome {
    match &options.command {
        AuditCommand::Verify { file, contains, allow_missing_start } => {
            let report = verify(file, *allow_missing_start, contains.clone());
            Ok(tell(&report.map_err(|error| unreadable(file, &error))?))
        }
        AuditCommand::Show { file, model, since, json } => {
            let wanted = Wanted { model: model.clone(), since: *since, limit: None };
            let found = entries(file, &wanted).map_err(|error| unreadable(file, &error))?;
            match json {
                true => found.iter().for_each(|(_, line)| println!("{line}")),
                false => print_table(&found),
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn unreadable(file: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("{}: {error}", file.display()))
}

/// Says what was found; the exit code is for scripts.
fn tell(report: &Report) -> ExitCode {
    if let Some(first) = report.begins_at {
        println!("it begins with entry {first}; older ones are not here");
    }
    if report.repaired > 0 {
        println!("{} lines were torn by a crash and closed by the server", report.repaired);
    }
    report.faults.iter().for_each(|fault| println!("{fault}"));
    let (entries, head) = (report.entries, &report.head);
    if report.faults.is_empty() {
        println!("ok: {entries} entries, the newest is {} with hash {}", head.seq, head.hash);
        return ExitCode::SUCCESS;
    }
    println!("FAILED: {} faults in {entries} entries", report.faults.len());
    ExitCode::FAILURE
}

fn print_table(found: &[(Entry, String)]) {
    println!(
        "{:>6} {:<27} {:<12} {:<22} {:<16} {:<9} {:<17} detail",
        "seq", "time", "who", "what", "model", "versions", "before, after"
    );
    for (entry, _) in found {
        let change = &entry.change;
        let versions: Vec<_> = change.versions.iter().map(u64::to_string).collect();
        let digests = [&change.before, &change.after].map(|digest| short(digest.as_deref()));
        let line = format!(
            "{:>6} {:<27} {:<12} {:<22} {:<16} {:<9} {:<8} {:<8} {}",
            entry.seq,
            entry.time,
            entry.who,
            change.what.name(),
            change.model.as_deref().unwrap_or("-"),
            versions.join(","),
            digests[0],
            digests[1],
            detail(entry)
        );
        println!("{}", line.trim_end());
    }
}

fn short(digest: Option<&str>) -> &str {
    digest.map_or("-", |digest| digest.get(..SHORT).unwrap_or(digest))
}

/// What an entry says beyond its columns, as one line of JSON.
fn detail(entry: &Entry) -> String {
    let what = serde_json::to_value(&entry.change.what).unwrap_or_default();
    what.get("detail").map(Value::to_string).unwrap_or_default()
}
