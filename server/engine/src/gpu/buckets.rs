//! How long sequences are made on a device: some longer than they are, so that few graphs serve all lengths.

use std::collections::BTreeMap;

use girandole_core::{Error, Result};

/// The key among the configuration's parameters.
const PARAMETER: &str = "sequence_buckets";

/// The lengths that sequences are padded to, where that does not change the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Buckets {
    /// Multiples of a step that grows with the length: a quarter is added at most to long ones.
    #[default]
    Usual,
    /// These, ascending; what is longer is not padded.
    Listed(Vec<usize>),
    /// None: each length has its own graph.
    Off,
}

impl Buckets {
    /// What the parameter `sequence_buckets` asks for: lengths with commas between, or `off`.
    ///
    /// # Errors
    /// `InvalidArgument` for anything else.
    pub(crate) fn of(parameters: &BTreeMap<String, String>) -> Result<Self> {
        let Some(text) = parameters.get(PARAMETER) else { return Ok(Self::default()) };
        if text == "off" {
            return Ok(Self::Off);
        }
        let lengths = text.split(',').map(|length| length.trim().parse().ok().filter(|&length| length > 0));
        let mut lengths = lengths.collect::<Option<Vec<usize>>>().ok_or_else(|| {
            let expected = "must be lengths with commas between, such as 32,64,128, or off";
            Error::invalid(format!("parameter '{PARAMETER}' {expected}, got '{text}'"))
        })?;
        lengths.sort_unstable();
        lengths.dedup();
        Ok(Self::Listed(lengths))
    }

    /// The length that one of `length` is padded to, at most `longest`; `None` where it stays as it is.
    pub(crate) fn padded(&self, length: usize, longest: Option<usize>) -> Option<usize> {
        let bucket = match self {
            Self::Usual => length.checked_next_multiple_of(step(length)),
            Self::Listed(lengths) => lengths.iter().copied().find(|&bucket| bucket >= length),
            Self::Off => None,
        };
        let bucket = bucket.map(|bucket| longest.map_or(bucket, |longest| bucket.min(longest)));
        bucket.filter(|&bucket| length > 0 && bucket > length)
    }

    /// Those that the configuration lists.
    pub(crate) fn listed(&self) -> Option<&[usize]> {
        match self {
            Self::Listed(lengths) => Some(lengths),
            Self::Usual | Self::Off => None,
        }
    }
}

const fn step(length: usize) -> usize {
    match length {
        0..=64 => 8,
        65..=256 => 16,
        257..=512 => 32,
        _ => 64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Buckets> {
        Buckets::of(&[(PARAMETER.to_owned(), text.to_owned())].into())
    }

    #[test]
    fn few_lengths_serve_all_and_little_is_added() {
        let padded = |length| Buckets::Usual.padded(length, None).unwrap_or(length);
        let lengths: std::collections::BTreeSet<usize> = (1..=512).map(padded).collect();
        assert!(lengths.len() <= 28, "{lengths:?}");
        for length in 1..=2048 {
            assert!(padded(length) >= length && padded(padded(length)) == padded(length), "{length}");
            assert!(length < 33 || (padded(length) - length) * 4 <= length, "{length} {}", padded(length));
        }
        assert_eq!(Buckets::Usual.padded(0, None), None);
        assert_eq!(Buckets::Usual.padded(usize::MAX, None), None);
    }

    #[test]
    fn a_table_ends_the_last_bucket() {
        assert_eq!(Buckets::Usual.padded(70, Some(77)), Some(77));
        assert_eq!(Buckets::Usual.padded(77, Some(77)), None);
        assert_eq!(Buckets::Usual.padded(78, Some(77)), None);
    }

    #[test]
    fn the_parameter_lists_lengths_or_says_off() {
        assert_eq!(Buckets::of(&BTreeMap::new()).unwrap(), Buckets::Usual);
        let listed = of("128, 32,64,32").unwrap();
        assert_eq!(listed, Buckets::Listed(vec![32, 64, 128]));
        assert_eq!(
            [1, 32, 33, 128, 129].map(|length| listed.padded(length, None)),
            [Some(32), None, Some(64), None, None]
        );
        assert_eq!(of("off").unwrap().padded(5, None), None);
        for wrong in ["", "on", "0", "32,", "-1", "1.5"] {
            assert!(of(wrong).unwrap_err().message().contains("32,64,128"), "{wrong}");
        }
    }
}
