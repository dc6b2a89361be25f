//! When the series of versions that are gone are forgotten: a pure decision, at each look.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use super::VersionKey;

/// Scrapes are rarely further apart.
const KEPT_FOR: Duration = Duration::from_secs(120);
/// Versions of one model that are kept at most once they are gone.
const KEPT: usize = 4;

/// Since when versions have been gone.
#[derive(Debug, Default)]
pub(super) struct Gone(BTreeMap<VersionKey, Instant>);

impl Gone {
    /// The versions to forget, out of those that have series, where these are present now.
    pub(super) fn expired(
        &mut self,
        known: Vec<VersionKey>,
        present: &BTreeSet<VersionKey>,
        now: Instant,
    ) -> Vec<VersionKey> {
        let absent: BTreeSet<_> = known.into_iter().filter(|version| !present.contains(version)).collect();
        self.0.retain(|version, _| absent.contains(version));
        for version in absent {
            self.0.entry(version).or_insert(now);
        }
        let mut newest_first: Vec<_> =
            self.0.iter().map(|(version, &since)| (since, version.clone())).collect();
        newest_first.sort_unstable_by(|a, b| b.cmp(a));
        let mut of_model: BTreeMap<String, usize> = BTreeMap::new();
        let expired = newest_first.into_iter().filter(|(since, (model, _))| {
            let before = of_model.entry(model.clone()).or_default();
            *before += 1;
            *before > KEPT || now.saturating_duration_since(*since) >= KEPT_FOR
        });
        let expired: Vec<_> = expired.map(|(_, version)| version).collect();
        self.0.retain(|version, _| !expired.contains(version));
        expired
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(of: &[(&str, u64)]) -> Vec<VersionKey> {
        of.iter().map(|(model, version)| ((*model).to_owned(), version.to_string())).collect()
    }

    #[test]
    fn a_version_that_is_gone_is_kept_for_a_while() {
        let (mut gone, start) = (Gone::default(), Instant::now());
        let (known, both) = (keys(&[("m", 1), ("m", 2)]), keys(&[("m", 1), ("m", 2)]).into_iter().collect());
        let second = keys(&[("m", 2)]).into_iter().collect();
        assert!(gone.expired(known.clone(), &both, start).is_empty());
        assert!(gone.expired(known.clone(), &second, start + KEPT_FOR).is_empty(), "it has just gone");
        assert!(gone.expired(known.clone(), &both, start + KEPT_FOR * 2).is_empty(), "and came back");
        assert!(gone.expired(known.clone(), &second, start + KEPT_FOR * 3).is_empty());
        assert_eq!(gone.expired(known, &second, start + KEPT_FOR * 4), keys(&[("m", 1)]));
        assert!(gone.0.is_empty());
    }

    #[test]
    fn of_many_versions_of_one_model_those_gone_last_are_kept() {
        let (mut gone, start) = (Gone::default(), Instant::now());
        let mut known = keys(&[("other", 1)]);
        for version in 1..=KEPT as u64 {
            known.extend(keys(&[("m", version)]));
            let now = start + Duration::from_secs(version);
            assert!(gone.expired(known.clone(), &BTreeSet::new(), now).is_empty());
        }
        known.extend(keys(&[("m", 9)]));
        let now = start + Duration::from_secs(9);
        assert_eq!(gone.expired(known, &BTreeSet::new(), now), keys(&[("m", 1)]));
    }
}
