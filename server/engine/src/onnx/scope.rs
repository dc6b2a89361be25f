//! Names while a graph is imported: those of the graph itself, and of the function bodies inlined into it.

use std::collections::HashMap;

use crate::graph::ValueId;

/// What a name stands for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Binding {
    /// This value.
    Value(ValueId),
    /// An input that the caller of a function left out.
    LeftOut,
}

impl Binding {
    /// The value, unless it is left out.
    pub(super) const fn value(self) -> Option<ValueId> {
        match self {
            Self::Value(id) => Some(id),
            Self::LeftOut => None,
        }
    }
}

/// The names that a graph or a function body has made so far.
#[derive(Debug, Default)]
pub(super) struct Scope(HashMap<String, Binding>);

impl Scope {
    /// Gives a name to a value; `false` where the name is taken.
    pub(super) fn define(&mut self, name: &str, binding: Binding) -> bool {
        self.0.insert(name.to_owned(), binding).is_none()
    }
}

/// The names that the graphs inside a node take from around them, each once, in the order in which they were met.
#[derive(Debug, Default)]
pub(super) struct Captures {
    names: Vec<String>,
    places: HashMap<String, usize>,
}

impl Captures {
    /// The place of a name, where it is put if it is new.
    pub(super) fn place(&mut self, name: String) -> usize {
        *self.places.entry(name).or_insert_with_key(|name| {
            self.names.push(name.clone());
            self.names.len() - 1
        })
    }

    /// The names in order.
    pub(super) fn into_names(self) -> Vec<String> {
        self.names
    }
}

/// The scope of a graph and above it those of the bodies that are being inlined, the innermost last.
#[derive(Debug, Default)]
pub(super) struct Scopes {
    graph: Scope,
    bodies: Vec<Scope>,
}

impl Scopes {
    /// What a name stands for here. A body sees its own names only.
    pub(super) fn get(&self, name: &str) -> Option<Binding> {
        self.bodies.last().unwrap_or(&self.graph).0.get(name).copied()
    }

    /// The innermost scope.
    pub(super) fn innermost(&mut self) -> &mut Scope {
        self.bodies.last_mut().unwrap_or(&mut self.graph)
    }

    /// Whether names that are not found here may be those of a graph around.
    pub(super) fn is_open(&self) -> bool {
        self.bodies.is_empty()
    }

    /// Begins a body whose inputs are bound.
    pub(super) fn enter(&mut self, body: Scope) {
        self.bodies.push(body);
    }

    /// Ends the innermost body.
    pub(super) fn leave(&mut self) {
        self.bodies.pop();
    }
}
