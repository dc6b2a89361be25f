//! How much each model takes, of all callers together.

use std::sync::Arc;

use girandole_core::Result;

use crate::{
    pattern::Pattern,
    quota::{Quota, Turn},
};

/// Longest name of a folder, and so of a model. What is longer has no bucket: it would only take memory.
const MAX_NAME: usize = 255;

/// Rules in the file's order; the first that fits counts. Each model that fits it has a bucket of its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct ModelQuotas(pub(crate) Vec<(Pattern, Arc<Quota>)>);

impl ModelQuotas {
    /// Takes a turn of the model's quota, where it has one.
    ///
    /// # Errors
    /// `Overloaded` with when to try again.
    pub(crate) fn admit(&self, model: &str) -> Result<Option<Turn>> {
        let mut rules = self.0.iter().filter(|_| model.len() <= MAX_NAME);
        let rule = rules.find(|(pattern, _)| pattern.fits(model));
        rule.map(|(_, quota)| quota.admit(model)).transpose()
    }
}
