//! An entry as a line: its JSON, with the SHA-256 of exactly these bytes as last member.
//!
//! The hash is over the line's own bytes without that member, so that no two writings of one entry are equal and no
//! byte can change unseen.

use sha2::{Digest, Sha256};

use crate::entry::Entry;

/// What stands between the entry and its hash.
const MEMBER: &str = ",\"hash\":\"";
/// What ends a line.
const END: &str = "\"}";
/// Digits of a hash.
const DIGITS: usize = 64;

/// The hash before the first entry.
pub(crate) fn origin() -> String {
    "0".repeat(DIGITS)
}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn hash(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// An entry's line without its end, and its hash.
///
/// # Errors
/// Where the entry cannot be JSON.
pub(crate) fn seal(entry: &Entry) -> serde_json::Result<(String, String)> {
    let mut line = serde_json::to_string(entry)?;
    let hash = hash(line.as_bytes());
    line.truncate(line.len() - 1);
    line.push_str(MEMBER);
    line.push_str(&hash);
    line.push_str(END);
    Ok((line, hash))
}

/// The entry and its hash that a line holds; `None` where the line is not what was written.
pub(crate) fn open(line: &[u8]) -> Option<(Entry, String)> {
    let rest = line.strip_suffix(END.as_bytes())?;
    let (rest, hash) = rest.split_at_checked(rest.len().checked_sub(DIGITS)?)?;
    let mut entry = rest.strip_suffix(MEMBER.as_bytes())?.to_vec();
    entry.push(b'}');
    let hash = std::str::from_utf8(hash).ok().filter(|hash| *hash == self::hash(&entry))?;
    Some((serde_json::from_slice(&entry).ok()?, hash.to_owned()))
}

#[cfg(test)]
mod tests {
    use girandole_core::audit::{Change, What};

    use super::*;

    #[test]
    fn what_is_sealed_opens_and_is_plain_json() {
        let change = Change::new(What::WeightsSet { weights: [("canary".to_owned(), 2.5)].into() });
        let change = change.of("forecast").versions([1, 2]).digests(Some("aa"), None);
        let entry = Entry {
            seq: 7,
            time: "2026-01-02T03:04:05.000006Z".to_owned(),
            who: "ops".to_owned(),
            peer: Some("10.0.0.1:9".to_owned()),
            change,
            prev: origin(),
        };
        let (line, hash) = seal(&entry).unwrap();
        assert_eq!(open(line.as_bytes()), Some((entry, hash.clone())));
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(json["what"], "weights_set");
        assert_eq!(json["detail"]["weights"]["canary"], 2.5);
        assert_eq!(json["hash"], hash);
        assert_eq!(open(line.replace("ops", "opt").as_bytes()), None);
        assert_eq!(open(format!("{line} ").as_bytes()), None);
    }
}
