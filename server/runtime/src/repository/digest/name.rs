//! Which version of which model `SHA256SUMS` is signed for: two comments at its top, which sha256sum passes over.
//!
//! Without them a signature is for any: so are those that other programs make, and those of before there were names.

use std::fmt;

use girandole_core::{Error, Result};

use super::{super::is_model_name, DIGEST_FILE};

const MODEL: &str = "# model: ";
const VERSION: &str = "# version: ";

/// A version of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionName {
    /// The model's name.
    pub model: String,
    /// The version's number.
    pub version: u64,
}

impl VersionName {
    /// The comments that say it.
    pub(super) fn lines(&self) -> String {
        format!("{MODEL}{}\n{VERSION}{}\n", self.model, self.version)
    }

    /// What the comments of `SHA256SUMS` say; `None` where they name nothing.
    ///
    /// # Errors
    /// `InvalidArgument` where they name a half, more than one, or what cannot be one.
    pub(super) fn read(text: &str) -> Result<Option<Self>> {
        let wrong = || {
            let wanted = format!("'{MODEL}NAME' and '{VERSION}NUMBER', each once");
            Error::invalid(format!(
                "{DIGEST_FILE}: its comments name no version of a model, expected {wanted}"
            ))
        };
        let all = |prefix| text.lines().filter_map(move |line: &str| line.strip_prefix(prefix));
        let (mut models, mut versions) = (all(MODEL), all(VERSION));
        let (model, version) = match (models.next(), versions.next()) {
            (None, None) => return Ok(None),
            (Some(model), Some(version)) => (model, version.parse()),
            _ => return Err(wrong()),
        };
        match (version, models.next(), versions.next()) {
            (Ok(version), None, None) if is_model_name(model) => {
                Ok(Some(Self { model: model.to_owned(), version }))
            }
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for VersionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version {} of model '{}'", self.version, self.model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let name = VersionName { model: "a-b.c".into(), version: 12 };
        assert_eq!(VersionName::read(&format!("{}0123  x\n", name.lines())), Ok(Some(name)));
        assert_eq!(VersionName::read("# by hand\n0123  # model: x\n"), Ok(None));
    }

    #[test]
    fn half_a_name_and_two_names_are_refused() {
        for text in [
            "# model: m\n",
            "# version: 1\n",
            "# model: m\n# model: n\n# version: 1\n",
            "# model: m\n# version: 1\n# version: 2\n",
            "# model: m\n# version: one\n",
            "# model: ../m\n# version: 1\n",
        ] {
            assert!(VersionName::read(text).is_err(), "{text}");
        }
    }
}
