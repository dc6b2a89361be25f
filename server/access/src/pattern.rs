//! A pattern of names: `*` stands for anything, `?` for a character, `[ab]` for one of some.

use globset::{Glob, GlobMatcher};
use serde::{Deserialize, Deserializer, de::Error as _};

/// One pattern, as written in the file.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(GlobMatcher);

impl Pattern {
    pub(crate) fn fits(&self, name: &str) -> bool {
        self.0.is_match(name)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Ok(Self(Glob::new(&text).map_err(D::Error::custom)?.compile_matcher()))
    }
}
