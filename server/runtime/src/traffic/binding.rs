//! Which version a label points to now, as versions come and go. Pure.
//!
//! A label whose version does not serve is pending: it stays with the last version that it pointed to and that
//! still serves, and moves when its own is READY.

use std::collections::BTreeMap;

/// One label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The version that the file says.
    pub wanted: u64,
    /// The version that requests get.
    pub bound: Option<u64>,
}

/// Every label of a model.
pub type Bindings = BTreeMap<String, Binding>;

impl Binding {
    /// Whether requests get another version than the file says, or none.
    pub fn is_pending(&self) -> bool {
        self.bound != Some(self.wanted)
    }
}

/// The labels' versions, given those before and what serves.
pub fn bind(labels: &BTreeMap<String, u64>, before: &Bindings, serves: impl Fn(u64) -> bool) -> Bindings {
    let bound = |label: &str, wanted: u64| {
        let last = before.get(label).and_then(|binding| binding.bound);
        [Some(wanted), last].into_iter().flatten().find(|&number| serves(number))
    };
    let binding =
        |(label, &wanted): (&String, &u64)| (label.clone(), Binding { wanted, bound: bound(label, wanted) });
    labels.iter().map(binding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_keeps_its_last_good_version_until_its_own_serves() {
        let labels = |version| BTreeMap::from([("canary".to_owned(), version)]);
        let canary = |bindings: &Bindings| bindings["canary"];
        let first = bind(&labels(2), &Bindings::new(), |number| number == 1);
        assert_eq!(canary(&first), Binding { wanted: 2, bound: None });
        let ready = bind(&labels(2), &first, |number| number <= 2);
        assert!(!canary(&ready).is_pending());
        let pending = bind(&labels(3), &ready, |number| number <= 2);
        assert_eq!(canary(&pending), Binding { wanted: 3, bound: Some(2) });
        let moved = bind(&labels(3), &pending, |number| number <= 3);
        assert_eq!(canary(&moved), Binding { wanted: 3, bound: Some(3) });
        let gone = bind(&labels(4), &moved, |number| number == 1);
        assert_eq!(canary(&gone).bound, None);
        assert!(bind(&BTreeMap::new(), &moved, |_| true).is_empty());
    }
}
