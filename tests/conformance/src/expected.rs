//! The committed list of cases that do not pass yet: one a line, `name kind reason`.

use std::collections::BTreeMap;

use crate::case::Failure;

/// The kind of a case whose numbers are drawn anew in each run: they may be the expected ones by chance, but their
/// types and shapes must be.
const RANDOM: &str = "random";

/// Expected failures by case.
pub type Expected = BTreeMap<String, Expectation>;

/// How a case is known to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// That of the failure, or `random`.
    pub kind: String,
    /// Why.
    pub reason: String,
}

impl Expectation {
    /// Whether the case may end so.
    pub fn allows(&self, outcome: &Result<(), Failure>) -> bool {
        match outcome {
            Ok(()) | Err(Failure::Wrong(_)) if self.kind == RANDOM => true,
            Ok(()) => false,
            Err(failure) => self.kind == failure.kind(),
        }
    }
}

/// Reads the list; lines that are empty or begin with `#` are left out.
///
/// # Errors
/// A line without a kind or a reason.
pub fn parse(text: &str) -> Result<Expected, String> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(line).collect()
}

fn line(line: &str) -> Result<(String, Expectation), String> {
    let mut parts = line.splitn(3, ' ').map(str::to_owned);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(name), Some(kind), Some(reason)) => Ok((name, Expectation { kind, reason })),
        _ => Err(format!("expected 'name kind reason', got '{line}'")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_numbers_may_be_right_by_chance_but_not_of_another_shape() {
        let of = |kind: &str| Expectation { kind: kind.into(), reason: "because".into() };
        let wrong = || Err(Failure::Wrong("element 1".into()));
        let mistyped = || Err(Failure::Mistyped("FP32[2]".into()));
        assert!(of("random").allows(&Ok(())) && of("random").allows(&wrong()));
        assert!(!of("random").allows(&mistyped()) && !of("random").allows(&Err(Failure::Panic)));
        assert!(of("wrong").allows(&wrong()));
        assert!(!of("wrong").allows(&Ok(())) && !of("wrong").allows(&mistyped()));
    }
}
