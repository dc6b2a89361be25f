//! Which versions to load, and which to let go. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    config::VersionPolicy,
    repository::{FoundModel, Stamps, differ},
};

/// What a version was loaded from, or failed to load from.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Attempt {
    /// The model's files outside of version directories.
    pub(super) shared: Stamps,
    /// The version's own.
    pub(super) files: Stamps,
    /// The configuration that a caller gave in place of the file's.
    pub(super) config: Option<String>,
}

impl Attempt {
    fn same_as(&self, other: &Self) -> bool {
        self.config == other.config
            && !differ(&self.shared, &other.shared)
            && !differ(&self.files, &other.files)
    }
}

/// What serves.
#[derive(Clone, Debug, Default)]
pub(super) struct Present {
    pub(super) serving: BTreeSet<u64>,
    /// Those of them that keep failing.
    pub(super) tripped: BTreeSet<u64>,
}

/// The versions to have, out of those complete and those that serve while somebody rewrites their files: what the
/// policy selects, and what the traffic speaks of. Where all that the policy selects keeps failing, what it would
/// select without them too; what keeps failing besides stays, or it would be brought back again.
pub(super) fn wanted(
    policy: &VersionPolicy,
    traffic: &BTreeSet<u64>,
    found: &FoundModel,
    present: &Present,
) -> BTreeSet<u64> {
    let Present { serving, tripped } = present;
    let on_disk =
        found.versions.iter().filter(|(number, version)| !version.settling || serving.contains(number));
    let on_disk: BTreeSet<u64> = on_disk.map(|(&number, _)| number).collect();
    let selected = policy.select(&on_disk);
    let spare = match selected.is_subset(tripped) {
        true => &policy.select(&(&on_disk - tripped)) | &(tripped & &on_disk),
        false => BTreeSet::new(),
    };
    &(&selected | &spare) | &(traffic & &on_disk)
}

/// What a version would be loaded from now.
pub(super) fn attempt(found: &FoundModel, number: u64, config: Option<&str>) -> Attempt {
    let files = found.versions.get(&number).map(|version| version.files.clone()).unwrap_or_default();
    Attempt { shared: found.shared.clone(), files, config: config.map(str::to_owned) }
}

/// The wanted versions that are complete and were not tried yet as they are now; with `force` all complete ones.
pub(super) fn to_load(
    wanted: &BTreeSet<u64>,
    found: &FoundModel,
    tried: &BTreeMap<u64, Attempt>,
    config: Option<&str>,
    force: bool,
) -> Vec<u64> {
    let complete = |number: &u64| found.versions.get(number).is_some_and(|version| !version.settling);
    let news = |number: &u64| {
        !tried.get(number).is_some_and(|tried| tried.same_as(&attempt(found, *number, config)))
    };
    wanted.iter().copied().filter(|number| complete(number) && (force || news(number))).collect()
}

/// The versions that serve and are to go, once everything that could be loaded is: those not wanted any more.
/// While a wanted version does not serve, an unwanted one stays; unless its files are gone and another one
/// wanted serves in its stead. So a failed load never takes the last version away.
pub(super) fn to_withdraw(
    wanted: &BTreeSet<u64>,
    serving: &BTreeSet<u64>,
    on_disk: &BTreeSet<u64>,
) -> Vec<u64> {
    let all_serve = wanted.is_subset(serving);
    let one_serves = !wanted.is_disjoint(serving);
    let goes = |number: &&u64| all_serve || (one_serves && !on_disk.contains(*number));
    serving.difference(wanted).filter(goes).copied().collect()
}

/// Why no version is wanted, for the model's author.
pub(super) fn nothing_to_serve(policy: &VersionPolicy, found: &FoundModel) -> String {
    if found.versions.is_empty() {
        return "it has no version; a version is a directory named 1, 2, 3 and so on".to_owned();
    }
    let there: Vec<_> = found.versions.keys().map(u64::to_string).collect();
    match policy {
        VersionPolicy::Specific(wanted) => {
            let wanted: Vec<_> = wanted.iter().map(u64::to_string).collect();
            format!("version_policy asks for {}, but it has {}", wanted.join(", "), there.join(", "))
        }
        VersionPolicy::Latest(_) | VersionPolicy::All => "no version is complete".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::FoundVersion;

    fn set(numbers: &[u64]) -> BTreeSet<u64> {
        numbers.iter().copied().collect()
    }

    fn found(complete: &[u64], settling: &[u64]) -> FoundModel {
        let version =
            |settling| move |&number: &u64| (number, FoundVersion { settling, ..FoundVersion::default() });
        let versions =
            complete.iter().map(version(false)).chain(settling.iter().map(version(true))).collect();
        FoundModel { versions, ..FoundModel::default() }
    }

    fn serving(numbers: &[u64]) -> Present {
        Present { serving: set(numbers), ..Present::default() }
    }

    #[test]
    fn a_half_written_version_is_not_wanted_unless_it_serves() {
        let latest = VersionPolicy::Latest(1);
        let none = set(&[]);
        assert_eq!(wanted(&latest, &none, &found(&[1], &[2]), &serving(&[1])), set(&[1]));
        assert_eq!(wanted(&latest, &none, &found(&[1], &[2]), &serving(&[2])), set(&[2]));
        assert_eq!(wanted(&VersionPolicy::All, &none, &found(&[1, 3], &[2]), &serving(&[])), set(&[1, 3]));
    }

    #[test]
    fn what_traffic_speaks_of_is_wanted_where_it_is_complete() {
        let (latest, traffic) = (VersionPolicy::Latest(1), set(&[1, 4, 9]));
        assert_eq!(wanted(&latest, &traffic, &found(&[1, 2, 3], &[4]), &serving(&[])), set(&[1, 3]));
    }

    #[test]
    fn where_all_that_is_selected_keeps_failing_the_last_good_one_is_wanted_too() {
        use VersionPolicy::{All, Latest, Specific};
        for (policy, tripped, expected) in [
            (Latest(1), &[][..], &[4][..]),
            (Latest(1), &[4], &[3, 4]),
            (Latest(1), &[3, 4], &[2, 3, 4]),
            (Latest(1), &[3], &[4]),
            (Latest(2), &[4], &[3, 4]),
            (Latest(2), &[3, 4], &[1, 2, 3, 4]),
            (All, &[1, 2, 3, 4], &[1, 2, 3, 4]),
            (Specific(set(&[2])), &[2], &[2]),
        ] {
            let present = Present { serving: set(tripped), tripped: set(tripped) };
            let wanted = wanted(&policy, &set(&[]), &found(&[1, 2, 3, 4], &[]), &present);
            assert_eq!(wanted, set(expected), "{policy:?} {tripped:?}");
        }
    }

    #[test]
    fn what_was_tried_as_it_is_is_not_tried_again() {
        let model = found(&[1, 2], &[3]);
        let tried = BTreeMap::from([(1, Attempt::default())]);
        let all = set(&[1, 2, 3]);
        assert_eq!(to_load(&all, &model, &tried, None, false), [2]);
        assert_eq!(to_load(&all, &model, &tried, None, true), [1, 2]);
        assert_eq!(to_load(&all, &model, &tried, Some("{}"), false), [1, 2]);
    }

    #[test]
    fn a_failed_load_takes_nothing_away() {
        // wanted, serving after the loads, on disk, to go
        let cases: [[&[u64]; 4]; 6] = [
            [&[2], &[1, 2], &[1, 2], &[1]],
            [&[2], &[1], &[1, 2], &[]],
            [&[2], &[1], &[2], &[]],
            [&[1, 3], &[1, 2], &[1, 3], &[2]],
            [&[1, 3], &[1, 2], &[1, 2, 3], &[]],
            [&[], &[1], &[], &[1]],
        ];
        for [wanted, serving, on_disk, expected] in cases {
            let gone = to_withdraw(&set(wanted), &set(serving), &set(on_disk));
            assert_eq!(gone, expected, "{wanted:?} {serving:?} {on_disk:?}");
        }
    }
}
