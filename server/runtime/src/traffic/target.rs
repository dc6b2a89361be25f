//! A version by number or by label, as a traffic file names it.

use std::{fmt, sync::Arc};

/// Longest label.
const MAX_LABEL: usize = 64;

/// Where requests are sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A version.
    Version(u64),
    /// Whatever version the label points to.
    Label(Arc<str>),
}

impl Target {
    /// Reads a target: digits are a version, the rest is a label.
    ///
    /// # Errors
    /// What a target may be.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(0) => Err("versions begin at 1, got 0".to_owned()),
            Ok(number) => Ok(Self::Version(number)),
            Err(_) => label(text).map(|label| Self::Label(label.into())),
        }
    }
}

/// Checks a label: it stands in headers, metrics and commands, and must not look like a version.
///
/// # Errors
/// What a label may be.
pub(super) fn label(text: &str) -> Result<&str, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let begins = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    match begins && text.len() <= MAX_LABEL && text.chars().all(plain) {
        true => Ok(text),
        false => Err(format!(
            "'{}' is no label: up to {MAX_LABEL} letters, digits, '.', '_' and '-', a letter first",
            text.chars().take(MAX_LABEL).collect::<String>()
        )),
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(number) => write!(f, "{number}"),
            Self::Label(label) => f.write_str(label),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_version_or_a_label() {
        assert_eq!(Target::parse("3"), Ok(Target::Version(3)));
        assert_eq!(Target::parse("canary-2.b"), Ok(Target::Label("canary-2.b".into())));
        for wrong in ["", "0", "-1", "3a", "a b", "a\n", "ä", &"x".repeat(65)] {
            assert!(Target::parse(wrong).is_err(), "{wrong}");
        }
    }
}
