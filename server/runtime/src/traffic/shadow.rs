//! Which requests a shadow gets a copy of. Pure.

use super::{Target, sequence::even};

/// A version that answers copies of requests, for nobody but the metrics.
#[derive(Clone, Debug, PartialEq)]
pub struct Shadow {
    /// The label or version.
    pub to: Target,
    /// Of a hundred requests, so many are copied.
    pub percent: f64,
    /// Outputs agree where they differ by no more than this, relative to 1 or to the larger of the two.
    pub tolerance: f64,
}

impl Shadow {
    /// Whether the request with this number is copied.
    pub fn takes(&self, turn: u64) -> bool {
        even(turn) * 100.0 < self.percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_copied_as_the_share_says() {
        for (percent, expected) in [(0.0, 0), (0.5, 50), (25.0, 2_500), (100.0, 10_000)] {
            let shadow = Shadow { to: Target::Version(1), percent, tolerance: 0.0 };
            let taken = (0..10_000).filter(|&turn| shadow.takes(turn)).count();
            assert!(taken.abs_diff(expected) <= 5, "{percent}: {taken}");
        }
    }
}
