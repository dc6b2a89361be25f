//! Everything that is wrong with one configuration, so that its author sees all of it at once.

use std::fmt::Display;

use girandole_core::{Error, Result};

/// Mistakes found so far, each naming its field.
#[derive(Default)]
pub(super) struct Mistakes(Vec<String>);

impl Mistakes {
    /// Notes what is wrong with `field` and what would be right.
    pub(super) fn add(&mut self, field: impl Display, what: impl Display) {
        self.0.push(format!("{field}: {what}"));
    }

    /// Fails with all of them.
    pub(super) fn into_result(self) -> Result<()> {
        match self.0.as_slice() {
            [] => Ok(()),
            [one] => Err(Error::invalid(format!("the model configuration has a mistake: {one}"))),
            all => Err(Error::invalid(format!(
                "the model configuration has {} mistakes: {}",
                all.len(),
                all.join("; ")
            ))),
        }
    }
}
