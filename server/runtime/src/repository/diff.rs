//! What differs between what was found and what was last acted on. Pure.

use std::collections::BTreeMap;

use super::{FoundModel, Listing, Stamps, listing::differ};

/// What to do about a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is new, or its files changed: look at it again.
    Update(String),
    /// It is in no repository any more.
    Remove(String),
}

/// Which models differ from what was last acted on, failures included, so that they are tried again only
/// when their files change. What is still being written neither adds nor removes anything.
pub fn changes(found: &Listing, known: &BTreeMap<String, FoundModel>) -> Vec<Change> {
    let updated = found.models.iter().filter(|(name, model)| match known.get(*name) {
        None => is_worth_a_look(model),
        Some(known) => differs(model, known),
    });
    let removed = known.keys().filter(|name| !found.models.contains_key(*name));
    let updated = updated.map(|(name, _)| Change::Update(name.clone()));
    removed.map(|name| Change::Remove(name.clone())).chain(updated).collect()
}

/// A new model of which everything is still being written waits until something is complete.
fn is_worth_a_look(model: &FoundModel) -> bool {
    model.problem.is_some() || model.versions.is_empty() || !model.complete_versions().is_empty()
}

fn differs(model: &FoundModel, known: &FoundModel) -> bool {
    model.problem != known.problem
        || model.dir != known.dir
        || differ(&model.shared, &known.shared)
        || new_traffic(model, known)
        || known.versions.keys().any(|version| !model.versions.contains_key(version))
        || model.versions.iter().any(|(version, found)| {
            let same = |stamps: &Stamps| !differ(stamps, &found.files);
            !found.settling && !known.versions.get(version).is_some_and(|known| same(&known.files))
        })
}

/// A traffic file that is complete and says something else, or is gone.
fn new_traffic(model: &FoundModel, known: &FoundModel) -> bool {
    let settling = model.traffic.as_ref().is_some_and(|traffic| traffic.settling);
    !settling && model.traffic != known.traffic
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::repository::{FileStamp, FoundVersion};

    /// A model of these versions: number, content (0 while it is being written).
    fn model(versions: &[(u64, u64)]) -> FoundModel {
        let version = |&(number, content): &(u64, u64)| {
            let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(content);
            let stamp = FileStamp { len: 1, modified, touched: modified };
            let files = Stamps::from([("model.onnx".to_owned(), stamp)]);
            (number, FoundVersion { files, sealed: false, settling: content == 0 })
        };
        FoundModel { versions: versions.iter().map(version).collect(), ..FoundModel::default() }
    }

    #[test]
    fn only_complete_differences_count() {
        let update = || vec![Change::Update("m".into())];
        let cases = [
            ("a new model", Some(model(&[(1, 5)])), None, update()),
            ("a new model being written", Some(model(&[(1, 0)])), None, vec![]),
            ("a new model, half complete", Some(model(&[(1, 5), (2, 0)])), None, update()),
            ("nothing new", Some(model(&[(1, 5)])), Some(model(&[(1, 5)])), vec![]),
            ("a new version", Some(model(&[(1, 5), (2, 5)])), Some(model(&[(1, 5)])), update()),
            ("a new version being written", Some(model(&[(1, 5), (2, 0)])), Some(model(&[(1, 5)])), vec![]),
            ("a version rewritten", Some(model(&[(1, 6)])), Some(model(&[(1, 5)])), update()),
            ("a version being rewritten", Some(model(&[(1, 0)])), Some(model(&[(1, 5)])), vec![]),
            ("a version removed", Some(model(&[(2, 5)])), Some(model(&[(1, 5), (2, 5)])), update()),
            ("a model removed", None, Some(model(&[(1, 5)])), vec![Change::Remove("m".into())]),
        ];
        for (what, found, known, expected) in cases {
            let listing =
                Listing { models: found.into_iter().map(|model| ("m".to_owned(), model)).collect() };
            let known = known.into_iter().map(|model| ("m".to_owned(), model)).collect();
            assert_eq!(changes(&listing, &known), expected, "{what}");
        }
    }
}
