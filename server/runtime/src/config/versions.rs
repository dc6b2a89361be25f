//! Which of a model's versions are to serve.

use std::collections::BTreeSet;

use girandole_core::{Error, Result};
use girandole_proto::config::{ModelVersionPolicy, model_version_policy::PolicyChoice};

/// Triton's version policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionPolicy {
    /// The highest N.
    Latest(usize),
    /// Every version.
    All,
    /// These, where they are there.
    Specific(BTreeSet<u64>),
}

impl VersionPolicy {
    /// The policy that a configuration says; the latest one where it says nothing.
    ///
    /// # Errors
    /// `InvalidArgument` for a version below 1, or a specific policy without versions.
    pub fn from_config(policy: Option<&ModelVersionPolicy>) -> Result<Self> {
        match policy.and_then(|policy| policy.policy_choice.as_ref()) {
            None => Ok(Self::Latest(1)),
            Some(PolicyChoice::All(_)) => Ok(Self::All),
            // Triton reads a missing or zero number as the default of one.
            Some(PolicyChoice::Latest(latest)) => Ok(Self::Latest(latest.num_versions.max(1) as usize)),
            Some(PolicyChoice::Specific(specific)) => specific_versions(&specific.versions),
        }
    }

    /// The versions to serve of those there are.
    pub fn select(&self, available: &BTreeSet<u64>) -> BTreeSet<u64> {
        match self {
            Self::Latest(count) => available.iter().rev().take(*count).copied().collect(),
            Self::All => available.clone(),
            Self::Specific(wanted) => available.intersection(wanted).copied().collect(),
        }
    }
}

fn specific_versions(versions: &[i64]) -> Result<VersionPolicy> {
    let wanted: Option<BTreeSet<u64>> =
        versions.iter().map(|&version| u64::try_from(version).ok().filter(|&v| v > 0)).collect();
    match wanted {
        Some(wanted) if !wanted.is_empty() => Ok(VersionPolicy::Specific(wanted)),
        Some(_) => Err(Error::invalid("version_policy.specific.versions: must name at least one version")),
        None => Err(Error::invalid(format!(
            "version_policy.specific.versions: must be 1 or more, got {versions:?}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_select_from_what_is_there() {
        let available = BTreeSet::from([1, 2, 5, 10]);
        let cases: [(VersionPolicy, &[u64]); 5] = [
            (VersionPolicy::Latest(1), &[10]),
            (VersionPolicy::Latest(2), &[5, 10]),
            (VersionPolicy::Latest(9), &[1, 2, 5, 10]),
            (VersionPolicy::All, &[1, 2, 5, 10]),
            (VersionPolicy::Specific(BTreeSet::from([2, 3, 10])), &[2, 10]),
        ];
        for (policy, expected) in cases {
            assert_eq!(policy.select(&available), expected.iter().copied().collect(), "{policy:?}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(specific_versions(&[]).is_err());
        assert!(specific_versions(&[0]).is_err());
        assert!(specific_versions(&[-1]).is_err());
    }
}
