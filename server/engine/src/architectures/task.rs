//! What a model of transformers is for: the class that was saved.

use girandole_core::Files;

use super::{document::Document, sentence::Sentence};
use crate::error::{OpError, Result};

/// A use of an encoder.
#[derive(Debug)]
pub(super) enum Task {
    /// `...Model`: the states of all tokens, and what the pooler makes of the first.
    Features,
    /// `...Model` among the modules of sentence-transformers: one vector for a text.
    Sentence(Sentence),
    /// `...ForSequenceClassification`: scores of a text.
    SequenceClassification,
    /// `...ForTokenClassification`: scores of each token.
    TokenClassification,
    /// `...ForQuestionAnswering`: scores of each token as the answer's first and last.
    QuestionAnswering,
}

impl Task {
    /// The use of a model whose classes' names begin with `class`.
    ///
    /// # Errors
    /// `Unsupported` for one that has no head here, `Invalid` for modules that are none.
    pub(super) fn of(document: &Document, class: &str, files: &dyn Files) -> Result<Self> {
        if let Some(sentence) = Sentence::read(files)? {
            return Ok(Self::Sentence(sentence));
        }
        let Some(architecture) = document.architecture() else { return Ok(Self::Features) };
        match architecture.strip_prefix(class) {
            Some("Model") => Ok(Self::Features),
            Some("ForSequenceClassification") => Ok(Self::SequenceClassification),
            Some("ForTokenClassification") => Ok(Self::TokenClassification),
            Some("ForQuestionAnswering") => Ok(Self::QuestionAnswering),
            _ => Err(OpError::unsupported(format!(
                "config.json: architecture '{architecture}' is not served from safetensors; of model_type '{}' these \
                 are: {class}Model, {class}ForSequenceClassification, {class}ForTokenClassification, \
                 {class}ForQuestionAnswering. Others are served as ONNX",
                document.model_type()
            ))),
        }
    }
}
