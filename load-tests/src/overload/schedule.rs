//! When requests are due: decided before the first one is sent, so that a slow server cannot make them fewer.

use std::time::Duration;

/// Arrivals of a Poisson process, from the beginning: so many a second on average, for so long.
pub(crate) fn poisson(rate: f64, duration: Duration, seed: u64) -> Vec<Duration> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut at = 0.0;
    let gaps = std::iter::from_fn(|| {
        // 1 - [0, 1) is never 0, whose logarithm has no end.
        at -= (1.0 - random.f64()).ln() / rate;
        Some(Duration::from_secs_f64(at))
    });
    gaps.take_while(|at| *at < duration).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_met_and_gaps_vary_as_they_should() {
        let duration = Duration::from_secs(100);
        let due = poisson(1000.0, duration, 1);
        assert!(due.is_sorted() && due.last().is_some_and(|last| *last < duration));
        assert!((99_000..101_000).contains(&due.len()), "{}", due.len());
        // Of gaps that are distributed exponentially, 1 / e are longer than the average.
        let long = due.windows(2).filter(|pair| pair[1] - pair[0] > Duration::from_millis(1)).count();
        let share = long as f64 / due.len() as f64;
        assert!((share - (-1.0_f64).exp()).abs() < 0.01, "{share}");
    }

    #[test]
    fn a_seed_always_gives_the_same() {
        let [a, b, c] = [1, 1, 2].map(|seed| poisson(50.0, Duration::from_secs(2), seed));
        assert_eq!(a, b);
        assert_ne!(a, c);
    }
}
