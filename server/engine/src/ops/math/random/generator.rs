//! A generator of random numbers: xoshiro256++ (Blackman and Vigna, 2019), seeded by splitmix64. Not for
//! secrets.

use std::{
    collections::hash_map::RandomState,
    f64::consts::PI,
    hash::{BuildHasher, Hasher},
};

/// See the module.
pub(super) struct Generator([u64; 4]);

/// A number that differs between processes and calls.
pub(super) fn entropy() -> u64 {
    RandomState::new().build_hasher().finish()
}

impl Generator {
    pub(super) fn new(seed: u64) -> Self {
        let mut state = seed;
        Self(std::array::from_fn(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }))
    }

    fn next(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// From 0 to 1, 1 left out.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 * 2f64.powi(-53)
    }

    /// Of mean 0 and variance 1 (Box and Muller, 1958).
    pub(super) fn normal(&mut self) -> f64 {
        let (a, b) = (1.0 - self.unit(), self.unit());
        (-2.0 * a.ln()).sqrt() * (2.0 * PI * b).cos()
    }

    /// So many classes by their unnormalised log-probabilities, as floats.
    pub(super) fn classes(&mut self, logits: &[f64], samples: usize) -> Vec<f64> {
        let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sums = logits.iter().scan(0.0, |sum, &v| {
            *sum += (v - max).exp();
            Some(*sum)
        });
        let sums: Vec<f64> = sums.collect();
        let total = sums.last().copied().unwrap_or(0.0);
        let last = sums.len().saturating_sub(1);
        let sample = |_| {
            let at = self.unit() * total;
            sums.partition_point(|&sum| sum <= at).min(last) as f64
        };
        (0..samples).map(sample).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_published_generator() {
        let mut generator = Generator([1, 2, 3, 4]);
        assert_eq!(
            [generator.next(), generator.next(), generator.next()],
            [41_943_041, 58_720_359, 3_588_806_011_781_223]
        );
    }

    #[test]
    fn every_number_lies_in_its_range() {
        let mut generator = Generator::new(entropy());
        assert!(
            (0..10_000).all(|_| (0.0..1.0).contains(&generator.unit()) && generator.normal().is_finite())
        );
    }
}
