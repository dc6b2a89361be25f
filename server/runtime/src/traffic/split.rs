//! Weighted assignment of requests to arms. Pure: the same key and weights give the same arm in every process.
//!
//! Keys go by weighted rendezvous hashing (Schindelhauer and Schomaker, "Weighted Distributed Hash Tables", SPAA
//! 2005): each arm scores the key, the best score wins. A key changes its arm only towards an arm whose weight grew
//! against that of the one it leaves, so raising one arm moves keys to it alone. Requests without a key follow a
//! golden-ratio sequence, which is even at every length: of n in a row each arm gets its share but for O(log n).

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{
    Source, Target,
    sequence::{even, unit},
};

/// Where requests go that ask for no version.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    arms: Vec<Arm>,
    /// Where a request's key is looked for, in order.
    pub sticky: Vec<Source>,
}

/// One way that requests may go.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// The label or version.
    pub target: Target,
    /// Its name, as the file has it.
    pub name: Arc<str>,
    /// Its share is this out of all arms' weights.
    pub weight: f64,
    seed: u64,
}

impl Split {
    /// A split. Weights are 0 or more, and one of them is more. The salt makes an experiment's assignment of keys
    /// independent of other experiments'.
    pub(super) fn new(mut weights: Vec<(Target, f64)>, sticky: Vec<Source>, salt: &str) -> Self {
        weights.sort_by_cached_key(|(target, _)| target.to_string());
        let salt = xxh3_64_with_seed(salt.as_bytes(), 0);
        let arm = |(target, weight): (Target, f64)| {
            let name: Arc<str> = target.to_string().into();
            Arm { seed: xxh3_64_with_seed(name.as_bytes(), salt), target, name, weight }
        };
        Self { arms: weights.into_iter().map(arm).collect(), sticky }
    }

    /// The same with other weights; keys stay where their arm's share does not shrink.
    pub(super) fn reweighed(&self, weight: impl Fn(&Arm) -> f64) -> Self {
        let arms = self.arms.iter().map(|arm| Arm { weight: weight(arm), ..arm.clone() });
        Self { arms: arms.collect(), sticky: self.sticky.clone() }
    }

    /// Its arms, in the order of their names.
    pub fn arms(&self) -> &[Arm] {
        &self.arms
    }

    /// The arm of a key, out of those that are open.
    pub fn by_key(&self, key: &str, open: impl Fn(&Arm) -> bool) -> Option<&Arm> {
        let arms = self.arms.iter().filter(|arm| arm.weight > 0.0 && open(arm));
        arms.min_by(|a, b| a.score(key).total_cmp(&b.score(key)))
    }

    /// The arm of the request with this number, out of those that are open.
    pub fn by_turn(&self, turn: u64, open: impl Fn(&Arm) -> bool) -> Option<&Arm> {
        let open = || self.arms.iter().filter(|arm| arm.weight > 0.0 && open(arm));
        let total: f64 = open().map(|arm| arm.weight).sum();
        let mut left = even(turn) * total;
        let taken = open().find(|arm| {
            left -= arm.weight;
            left < 0.0
        });
        // Rounding may leave a trace at the very end of the last arm.
        taken.or_else(|| open().last())
    }
}

impl Arm {
    /// How far the key is from this arm: exponentially distributed with the weight as its rate, so that the least of
    /// all arms' is this one's with the probability of its share.
    fn score(&self, key: &str) -> f64 {
        -libm::log(unit(xxh3_64_with_seed(key.as_bytes(), self.seed))) / self.weight
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn split(weights: &[(&str, f64)], salt: &str) -> Split {
        let weights = weights.iter().map(|&(name, weight)| (Target::parse(name).unwrap(), weight));
        Split::new(weights.collect(), Vec::new(), salt)
    }

    fn arm_of(split: &Split, key: u32) -> &str {
        &split.by_key(&format!("subscriber-{key}"), |_| true).unwrap().name
    }

    #[test]
    fn a_hundred_thousand_turns_are_within_a_thousandth_of_the_weights_at_every_stretch() {
        let split = split(&[("blue", 1.0), ("canary", 10.0), ("stable", 89.0)], "");
        for start in [0, 1_000, u64::MAX - 50_000] {
            let mut counts = HashMap::new();
            for turn in 0..100_000 {
                let arm = split.by_turn(u64::wrapping_add(start, turn), |_| true).unwrap();
                *counts.entry(&*arm.name).or_insert(0i64) += 1;
            }
            for (name, expected) in [("blue", 1_000), ("canary", 10_000), ("stable", 89_000)] {
                assert!((counts[name] - expected).abs() <= 100, "{start}: {counts:?}");
            }
        }
    }

    #[test]
    fn keys_follow_the_weights_and_only_move_to_an_arm_that_is_raised() {
        let (before, after) = (
            split(&[("canary", 10.0), ("stable", 90.0)], "s"),
            split(&[("canary", 25.0), ("stable", 75.0)], "s"),
        );
        let keys = 100_000;
        let (mut in_canary, mut moved) = (0, 0);
        for key in 0..keys {
            let (from, to) = (arm_of(&before, key), arm_of(&after, key));
            assert!(from == to || to == "canary", "{key} moved from {from} to {to}");
            in_canary += u32::from(from == "canary");
            moved += u32::from(from != to);
        }
        // Five standard deviations of a fair draw.
        assert!(in_canary.abs_diff(10_000) < 5 * 95, "{in_canary}");
        assert!(moved.abs_diff(15_000) < 5 * 113, "{moved}");
    }

    #[test]
    fn salts_make_experiments_independent() {
        let (one, other) = (split(&[("a", 1.0), ("b", 1.0)], "one"), split(&[("a", 1.0), ("b", 1.0)], "two"));
        let same = (0..10_000).filter(|&key| arm_of(&one, key) == arm_of(&other, key)).count();
        assert!(same.abs_diff(5_000) < 5 * 50, "{same}");
    }

    #[test]
    fn assignments_never_change_between_releases() {
        let split = split(&[("canary", 25.0), ("stable", 75.0)], "forecast");
        let arms: String = (0..16).map(|key| &arm_of(&split, key)[..1]).collect();
        assert_eq!(arms, "sssssssssccssscc");
    }

    proptest! {
        #[test]
        fn closed_and_weightless_arms_get_nothing(
            weights in proptest::collection::vec((0.0f64..10.0, any::<bool>()), 1..6),
            turn in any::<u64>(),
        ) {
            let named = weights.iter().enumerate().map(|(i, &(weight, _))| (Target::Version(i as u64), weight));
            let split = Split::new(named.collect(), Vec::new(), "");
            let open = |arm: &Arm| matches!(arm.target, Target::Version(i) if weights[i as usize].1);
            let any = split.arms().iter().any(|arm| arm.weight > 0.0 && open(arm));
            for arm in [split.by_turn(turn, open), split.by_key(&turn.to_string(), open)] {
                prop_assert_eq!(arm.is_some(), any);
                prop_assert!(arm.is_none_or(|arm| arm.weight > 0.0 && open(arm)));
            }
        }
    }
}
