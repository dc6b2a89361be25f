//! Roles on some of the models.

use std::fmt;

use globset::{Glob, GlobSet, GlobSetBuilder};
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{Action, Role};

/// Names of models, as patterns: `*` stands for anything, `?` for a character, `[ab]` for one of some.
#[derive(Clone, Debug)]
pub(crate) struct Models {
    written: Vec<String>,
    set: GlobSet,
}

/// Roles, and the models on which they count. What is asked of no model in particular needs the role alone.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grant {
    pub(crate) roles: Vec<Role>,
    #[serde(default)]
    pub(crate) models: Models,
}

impl Grant {
    pub(crate) fn allows(&self, action: Action, model: Option<&str>) -> bool {
        self.roles.iter().any(|role| role.allows(action))
            && model.is_none_or(|model| self.models.contain(model))
    }
}

impl Models {
    pub(crate) fn parse(written: Vec<String>) -> Result<Self, globset::Error> {
        let mut set = GlobSetBuilder::new();
        for pattern in &written {
            set.add(Glob::new(pattern)?);
        }
        Ok(Self { set: set.build()?, written })
    }

    pub(crate) fn contain(&self, model: &str) -> bool {
        self.set.is_match(model)
    }
}

/// All models.
impl Default for Models {
    fn default() -> Self {
        let none = || Self { written: Vec::new(), set: GlobSet::empty() };
        Self::parse(vec!["*".to_owned()]).unwrap_or_else(|_| none())
    }
}

impl<'de> Deserialize<'de> for Models {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let written = Vec::<String>::deserialize(from)?;
        Self::parse(written).map_err(D::Error::custom)
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let roles: Vec<_> = self.roles.iter().map(|role| role.as_str()).collect();
        write!(f, "{} on {}", roles.join(", "), self.models.written.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_counts_on_its_models_alone() {
        let models = Models::parse(vec!["churn".to_owned(), "congestion-?".to_owned()]).unwrap();
        let grant = Grant { roles: vec![Role::Infer], models };
        for (action, model, allowed) in [
            (Action::Infer, Some("churn"), true),
            (Action::Describe, Some("congestion-1"), true),
            (Action::Infer, Some("congestion-12"), false),
            (Action::Infer, Some("churn2"), false),
            (Action::Observe, Some("churn"), false),
            (Action::Administer, None, false),
            (Action::Infer, None, true),
        ] {
            assert_eq!(grant.allows(action, model), allowed, "{action:?} {model:?}");
        }
        assert!(Models::default().contain("anything/at.all"));
    }
}
