//! The models that loads ask, and one request to each.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::{Result, workload::Workload};

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Subject {
    /// Boosted trees over 19 columns.
    Churn,
    /// A recurrent network over 60 steps of 16 numbers.
    Congestion,
    /// A sentence encoder, 32 tokens.
    Minilm,
}

impl Subject {
    pub(crate) const fn model(self) -> &'static str {
        match self {
            Self::Churn => "churn",
            Self::Congestion => "congestion",
            Self::Minilm => "minilm_dynamo20",
        }
    }

    const fn repository(self) -> &'static str {
        match self {
            Self::Churn | Self::Congestion => "model-repo",
            Self::Minilm => "target/real-models",
        }
    }

    /// Its file, in this repository or where it usually lies.
    pub(crate) fn file(self, repository: Option<&Path>) -> PathBuf {
        let repository = repository.unwrap_or_else(|| Path::new(self.repository()));
        repository.join(self.model()).join("1/model.onnx")
    }

    /// One row.
    pub(crate) fn workload(self) -> Result<Workload> {
        let example = || Path::new(self.repository()).join(self.model()).join("example.json");
        match self {
            Self::Churn => Workload::first_row(self.model(), &example()),
            Self::Congestion => Workload::example(self.model(), &example()),
            Self::Minilm => Ok(Workload::sentence(self.model(), 32)),
        }
    }
}
