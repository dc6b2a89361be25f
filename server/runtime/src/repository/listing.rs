//! What a scan found, as plain data.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::SystemTime,
};

use girandole_seal::{SUFFIX, plain_len};

use crate::traffic::FoundTraffic;

/// Everything that the repositories hold, by model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Models by name.
    pub models: BTreeMap<String, FoundModel>,
}

/// A model's directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundModel {
    /// Where it is.
    pub dir: PathBuf,
    /// Its files outside of version directories: the configuration, labels, warm-up data.
    pub shared: Stamps,
    /// Its versions.
    pub versions: BTreeMap<u64, FoundVersion>,
    /// Its traffic file.
    pub(crate) traffic: Option<FoundTraffic>,
    /// Why it cannot be taken as it is; what serves goes on serving.
    pub problem: Option<String>,
}

/// A version's directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundVersion {
    /// Its files.
    pub files: Stamps,
    /// It brings digests, so that being complete can be checked rather than waited for.
    pub sealed: bool,
    /// Somebody may still be writing it.
    pub settling: bool,
}

/// Files by their path within the directory.
pub type Stamps = BTreeMap<String, FileStamp>;

/// What tells that a file changed, without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStamp {
    /// Its length in bytes.
    pub len: u64,
    /// When its content was last written, which a copy may preserve.
    pub modified: SystemTime,
    /// When its content, name or attributes last changed on this machine.
    pub touched: SystemTime,
}

impl FileStamp {
    /// Whether the content may differ.
    pub fn differs(&self, other: &Self) -> bool {
        (self.len, self.modified) != (other.len, other.modified)
    }
}

/// Whether two directories may differ in content.
pub(crate) fn differ(one: &Stamps, other: &Stamps) -> bool {
    one.len() != other.len()
        || one.iter().zip(other).any(|((a, stamp), (b, other))| a != b || stamp.differs(other))
}

impl FoundVersion {
    /// Bytes of its files, of encrypted ones what they hold.
    pub(crate) fn bytes(&self) -> u64 {
        let bytes = |(name, file): (&String, &FileStamp)| {
            let plain = name.ends_with(SUFFIX).then(|| plain_len(file.len)).flatten();
            plain.unwrap_or(file.len)
        };
        self.files.iter().map(bytes).sum()
    }
}

impl FoundModel {
    /// What of it can be acted on: what is still being written counts as it was before, or not at all.
    pub(crate) fn acted_on(&self, before: Option<&Self>) -> Self {
        let mut acted_on = self.clone();
        let earlier = |number: &u64| before.and_then(|before| before.versions.get(number));
        acted_on.versions.retain(|number, version| match (version.settling, earlier(number)) {
            (false, _) => true,
            (true, Some(before)) => {
                *version = before.clone();
                true
            }
            (true, None) => false,
        });
        if acted_on.traffic.as_ref().is_some_and(|traffic| traffic.settling) {
            acted_on.traffic = before.and_then(|before| before.traffic.clone());
        }
        acted_on
    }

    /// The versions that nobody is writing any more.
    pub fn complete_versions(&self) -> BTreeSet<u64> {
        self.versions.iter().filter(|(_, version)| !version.settling).map(|(&number, _)| number).collect()
    }
}

/// Whether a name can be a model's: letters, digits, `.`, `_` and `-`, and no dot in front.
pub fn is_model_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !name.is_empty() && name.len() <= 255 && !name.starts_with('.') && name.chars().all(plain)
}

/// The version that a directory's name means: a positive integer without leading zeros.
pub(super) fn version_number(name: &str) -> Option<u64> {
    let plain = !name.starts_with('0') && name.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| name.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_positive_integers_without_leading_zeros() {
        let cases = [
            ("1", Some(1)),
            ("20", Some(20)),
            ("0", None),
            ("01", None),
            ("+1", None),
            ("", None),
            ("1a", None),
            ("99999999999999999999", None),
        ];
        for (name, expected) in cases {
            assert_eq!(version_number(name), expected, "{name}");
        }
    }

    #[test]
    fn encrypted_files_count_as_what_they_hold() {
        let stamp =
            |len| FileStamp { len, modified: SystemTime::UNIX_EPOCH, touched: SystemTime::UNIX_EPOCH };
        // 48 bytes of header and 16 of a tag; the last is too short to be an encrypted file.
        let files = [("a", 10), ("b.enc", 48 + 100 + 16), ("c.enc", 5)];
        let files = files.into_iter().map(|(name, len)| (name.to_owned(), stamp(len))).collect();
        assert_eq!(FoundVersion { files, ..FoundVersion::default() }.bytes(), 10 + 100 + 5);
    }

    #[test]
    fn names_are_plain() {
        for name in ["churn", "a.b-C_9"] {
            assert!(is_model_name(name), "{name}");
        }
        for name in ["", ".git", "..", "a/b", "a b", "ä", "a\0"] {
            assert!(!is_model_name(name), "{name}");
        }
    }
}
