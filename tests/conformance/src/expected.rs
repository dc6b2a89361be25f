//! The committed list of cases that do not pass yet: one a line, `name kind reason`.

use std::collections::BTreeMap;

/// Expected failures by case: kind and reason.
pub type Expected = BTreeMap<String, (String, String)>;

/// Reads the list; lines that are empty or begin with `#` are left out.
///
/// # Errors
/// A line without a kind or a reason.
pub fn parse(text: &str) -> Result<Expected, String> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(line).collect()
}

fn line(line: &str) -> Result<(String, (String, String)), String> {
    let mut parts = line.splitn(3, ' ').map(str::to_owned);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(name), Some(kind), Some(reason)) => Ok((name, (kind, reason))),
        _ => Err(format!("expected 'name kind reason', got '{line}'")),
    }
}
