//! What a guard rail watches.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a guard rail watches; its limit is in the unit said here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// How much larger the part of failed requests is than the stable arm's, 0 to 1.
    ErrorRate,
    /// The median of latency, as a ratio to the stable arm's.
    LatencyP50,
    /// The 99th percentile of latency, as a ratio to the stable arm's.
    LatencyP99,
    /// The part of compared requests that both versions answer differently, 0 to 1.
    Disagreement,
    /// The distance of Kolmogorov and Smirnov between both arms' output values, 0 to 1.
    Ks,
    /// The population stability index of output values, over ten bins cut at the stable arm's deciles.
    Psi,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::ErrorRate, Self::LatencyP50, Self::LatencyP99, Self::Disagreement, Self::Ks, Self::Psi];

    /// Its name in files, metrics and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ErrorRate => "error_rate",
            Self::LatencyP50 => "latency_p50",
            Self::LatencyP99 => "latency_p99",
            Self::Disagreement => "disagreement",
            Self::Ks => "ks",
            Self::Psi => "psi",
        }
    }

    /// What a limit may be, and that in words.
    pub(crate) fn takes(self, limit: f64) -> Result<(), &'static str> {
        let (fits, expected) = match self {
            Self::ErrorRate | Self::Disagreement | Self::Ks => {
                ((0.0..1.0).contains(&limit), "0 up to, but not, 1")
            }
            Self::LatencyP50 | Self::LatencyP99 => ((1.0..=1e6).contains(&limit), "a ratio of 1 or more"),
            Self::Psi => ((0.0..=1e6).contains(&limit), "0 or more"),
        };
        if fits { Ok(()) } else { Err(expected) }
    }

    /// Whether it looks at what models answer.
    pub const fn reads_values(self) -> bool {
        matches!(self, Self::Ks | Self::Psi)
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
