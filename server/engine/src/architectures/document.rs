//! A model's `config.json`.

use std::collections::BTreeMap;

use girandole_core::Files;
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};

use crate::{
    error::{OpError, Result},
    safetensors::text_beside,
};

/// The file's name.
const NAME: &str = "config.json";

/// The most bytes of a configuration.
pub(super) const MAX_BYTES: u64 = 4 << 20;

/// A `config.json`, as far as every architecture has it.
pub(super) struct Document {
    text: String,
    head: Head,
}

#[derive(Deserialize)]
struct Head {
    model_type: String,
    #[serde(default)]
    architectures: Option<Vec<String>>,
    #[serde(default)]
    id2label: Option<BTreeMap<String, IgnoredAny>>,
}

impl Document {
    /// # Errors
    /// `Invalid` where it is missing or no such JSON, `Placed` where it cannot be read.
    pub(super) fn read(files: &dyn Files) -> Result<Self> {
        let text = text_beside(files, NAME, MAX_BYTES)?.ok_or_else(|| {
            OpError::invalid(format!(
                "'{NAME}' is missing: a model in safetensors needs it beside it, as transformers' save_pretrained \
                 writes it"
            ))
        })?;
        Ok(Self { head: parse(NAME, &text)?, text })
    }

    /// All of it as an architecture's own configuration.
    ///
    /// # Errors
    /// `Invalid` naming the field and what is wrong.
    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        parse(NAME, &self.text)
    }

    pub(super) fn model_type(&self) -> &str {
        &self.head.model_type
    }

    /// The class that was saved, where it says so.
    pub(super) fn architecture(&self) -> Option<&str> {
        self.head.architectures.as_deref()?.first().map(String::as_str)
    }

    /// The model's name for messages.
    pub(super) fn name(&self) -> &str {
        self.architecture().unwrap_or(self.model_type())
    }

    /// How many labels it names.
    pub(super) fn labels(&self) -> Option<usize> {
        self.head.id2label.as_ref().map(BTreeMap::len)
    }
}

/// A JSON file's contents.
///
/// # Errors
/// `Invalid` naming the file, the field and what is wrong.
pub(super) fn parse<T: DeserializeOwned>(name: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| OpError::invalid(format!("{name}: {error}")))
}

/// That a field has the only value that is served.
///
/// # Errors
/// `Unsupported` naming the field where it has another.
pub(super) fn only(field: &str, holds: bool, expected: &str) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(OpError::unsupported(format!(
        "{NAME}: {field} must be {expected}; export this model to ONNX to serve it"
    )))
}
