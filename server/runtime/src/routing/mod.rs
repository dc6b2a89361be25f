//! Which of a model's versions a request goes to: a pure choice over what serves.
//!
//! Labels come with the model's traffic rules; until those are read there are none, and a caller without a
//! wish gets the newest version that serves.

use std::collections::BTreeMap;

use girandole_core::VersionSelector;

/// What the operator says about a model's traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes {
    /// The version that each label points to.
    pub labels: BTreeMap<String, u64>,
}

/// Why no version was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// None serves.
    NothingServes,
    /// This one does not serve; whether it exists is for the caller to find out.
    NotServing(u64),
    /// No such label.
    UnknownLabel,
}

/// The version to use, out of those that serve, in ascending order.
///
/// # Errors
/// Why there is none.
pub fn choose(
    selector: &VersionSelector,
    routes: &Routes,
    mut serving: impl DoubleEndedIterator<Item = u64>,
) -> Result<u64, Miss> {
    let number = match selector {
        VersionSelector::Any => return serving.next_back().ok_or(Miss::NothingServes),
        VersionSelector::Number(number) => *number,
        VersionSelector::Label(label) => *routes.labels.get(label).ok_or(Miss::UnknownLabel)?,
    };
    serving.find(|&serves| serves == number).ok_or(Miss::NotServing(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_is_the_newest_and_the_rest_is_exact() {
        let routes = Routes { labels: [("stable".to_owned(), 2), ("gone".to_owned(), 9)].into() };
        let label = |text: &str| VersionSelector::Label(text.to_owned());
        for (selector, serving, expected) in [
            (VersionSelector::Any, &[2, 10][..], Ok(10)),
            (VersionSelector::Any, &[], Err(Miss::NothingServes)),
            (VersionSelector::Number(2), &[2, 10], Ok(2)),
            (VersionSelector::Number(3), &[2, 10], Err(Miss::NotServing(3))),
            (label("stable"), &[2, 10], Ok(2)),
            (label("gone"), &[2, 10], Err(Miss::NotServing(9))),
            (label("nope"), &[2, 10], Err(Miss::UnknownLabel)),
        ] {
            assert_eq!(choose(&selector, &routes, serving.iter().copied()), expected, "{selector}");
        }
    }
}
