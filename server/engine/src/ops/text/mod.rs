//! Strings: joining, splitting, normalising, matching, and the counting of n-grams.

mod concat;
mod ngrams;
mod normalize;
mod regex;
mod split;
mod tf_idf;

use super::OpDef;
use crate::{
    error::{OpError, Result},
    value::Text,
};

/// The family's operators, file by file.
pub(super) const OPS: &[&[OpDef]] = &[concat::OPS, normalize::OPS, regex::OPS, split::OPS, tf_idf::OPS];

/// A string's characters.
///
/// # Errors
/// `Invalid` where it is not UTF-8.
fn utf8(text: &Text) -> Result<&str> {
    std::str::from_utf8(text).map_err(|_| OpError::invalid("a string is not UTF-8"))
}
