//! Names of one graph while it is imported, and of the graphs around it.

use std::collections::HashMap;

use crate::graph::ValueId;

/// The names that one graph has made so far.
#[derive(Debug, Default)]
pub(super) struct Scope(HashMap<String, ValueId>);

impl Scope {
    /// The value of a name.
    pub(super) fn get(&self, name: &str) -> Option<ValueId> {
        self.0.get(name).copied()
    }

    /// Gives a name to a value; `false` where the name is taken.
    pub(super) fn define(&mut self, name: &str, id: ValueId) -> bool {
        self.0.insert(name.to_owned(), id).is_none()
    }
}
