//! The elements along one axis that a place between them is made of.

use smallvec::{SmallVec, smallvec};

use crate::kernels::real::Real;

/// What lies beyond the ends of an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Padding {
    Zeros,
    Border,
    Reflection,
}

/// How an element between others is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interpolation {
    Nearest,
    Linear,
    Cubic,
}

/// Elements and their weights; those beyond the ends are left out.
pub(super) type Taps<T> = SmallVec<[(usize, T); 4]>;

/// An axis of an image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    pub(super) size: usize,
    pub(super) padding: Padding,
    /// Whether -1 and 1 are the centres of the first and last element, and not their outer edges.
    pub(super) align_corners: bool,
}

impl Axis {
    /// The taps of a place from -1 to 1.
    pub(super) fn sample<T: Real>(&self, place: T, how: Interpolation) -> Taps<T> {
        let size = T::count(self.size);
        let two = T::of(2.0);
        let at = if self.align_corners {
            (place + T::one()) / two * (size - T::one())
        } else {
            ((place + T::one()) * size - T::one()) / two
        };
        self.taps(at, how)
    }

    /// The taps of a place counted in elements.
    pub(super) fn taps<T: Real>(&self, at: T, how: Interpolation) -> Taps<T> {
        // Far enough outside to be outside, near enough to count with.
        const FAR: f64 = (1u64 << 31) as f64;
        let at = if at.is_nan() { T::of(-FAR) } else { at.max(T::of(-FAR)).min(T::of(FAR)) };
        if how == Interpolation::Nearest {
            return self.tap(self.inside(round_even(at)), T::one()).into_iter().collect();
        }
        let at = self.inside(at);
        let floor = at.floor();
        let (t, one) = (at - floor, T::one());
        let weights: Taps<T> = match how {
            Interpolation::Cubic => {
                let weights =
                    [cubic_far(t + one), cubic_near(t), cubic_near(one - t), cubic_far(T::of(2.0) - t)];
                weights.into_iter().enumerate().collect()
            }
            _ => smallvec![(1, one - t), (2, t)],
        };
        weights.into_iter().filter_map(|(i, weight)| self.tap(floor + T::count(i) - one, weight)).collect()
    }

    /// A place, moved inside where the padding says so.
    fn inside<T: Real>(&self, at: T) -> T {
        let (low, high) = self.ends::<T>();
        match self.padding {
            _ if at >= low && at <= high => at,
            Padding::Zeros => at,
            Padding::Border => at.max(T::zero()).min(T::count(self.size.saturating_sub(1))),
            Padding::Reflection => reflect(at, low, high),
        }
    }

    /// The element at a whole place.
    fn tap<T: Real>(&self, at: T, weight: T) -> Option<(usize, T)> {
        let (low, high) = self.ends::<T>();
        let last = T::count(self.size.saturating_sub(1));
        let at = match self.padding {
            Padding::Zeros => at,
            Padding::Border => at.max(T::zero()).min(last),
            Padding::Reflection => reflect(at, low, high).trunc().max(T::zero()).min(last),
        };
        let index = at.to_i64().and_then(|at| usize::try_from(at).ok());
        index.filter(|&index| index < self.size).map(|index| (index, weight))
    }

    fn ends<T: Real>(&self) -> (T, T) {
        let half = T::of(0.5);
        if self.align_corners {
            (T::zero(), T::count(self.size) - T::one())
        } else {
            (-half, T::count(self.size) - half)
        }
    }
}

/// `at` mirrored at the ends until it lies between them.
fn reflect<T: Real>(at: T, low: T, high: T) -> T {
    let span = high - low;
    if span <= T::zero() {
        return low;
    }
    let beyond = if at < low {
        low - at
    } else if at > high {
        at - high
    } else {
        return at;
    };
    let turns = (beyond / span).floor();
    let rest = beyond - turns * span;
    let odd = turns % T::of(2.0) != T::zero();
    if (at < low) == odd { high - rest } else { low + rest }
}

/// The nearest whole number, the even one where two are equally near.
fn round_even<T: Real>(at: T) -> T {
    let (floor, half) = (at.floor(), T::of(0.5));
    let up = at - floor > half || (at - floor == half && floor % T::of(2.0) != T::zero());
    if up { floor + T::one() } else { floor }
}

/// The weight of cubic convolution (Keys, 1981) with a = -0.75, within distance 1.
fn cubic_near<T: Real>(x: T) -> T {
    (T::of(1.25) * x - T::of(2.25)) * x * x + T::one()
}

/// As [`cubic_near`], from distance 1 to 2.
fn cubic_far<T: Real>(x: T) -> T {
    let a = T::of(-0.75);
    ((a * x - T::of(5.0) * a) * x + T::of(8.0) * a) * x - T::of(4.0) * a
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(padding: Padding) -> Axis {
        Axis { size: 4, padding, align_corners: false }
    }

    #[test]
    fn places_beyond_the_ends_follow_the_padding() {
        let nearest =
            |padding, at: f64| axis(padding).taps(at, Interpolation::Nearest)[..].first().map(|tap| tap.0);
        assert_eq!(nearest(Padding::Zeros, 4.0), None);
        assert_eq!(nearest(Padding::Border, 9.0), Some(3));
        assert_eq!(nearest(Padding::Border, f64::NEG_INFINITY), Some(0));
        assert_eq!([4.0, 5.0, -1.0, -2.0].map(|at| nearest(Padding::Reflection, at)), [3, 2, 0, 1].map(Some));
        assert_eq!(nearest(Padding::Zeros, f64::NAN), None);
    }

    #[test]
    fn weights_sum_up_to_one_and_lie_around_the_place() {
        for (how, places) in [(Interpolation::Linear, 1..=2), (Interpolation::Cubic, 0..=3)] {
            let taps = axis(Padding::Border).taps(1.3f64, how);
            assert!((taps.iter().map(|tap| tap.1).sum::<f64>() - 1.0).abs() < 1e-12, "{how:?} {taps:?}");
            assert!(taps.iter().map(|tap| tap.0).eq(places), "{how:?} {taps:?}");
        }
        let taps = axis(Padding::Border).taps(1.3f64, Interpolation::Linear);
        assert!((taps[1].1 - 0.3).abs() < 1e-12, "{taps:?}");
    }

    #[test]
    fn the_corners_are_centres_or_edges() {
        let sample = |align_corners, place: f64| {
            let axis = Axis { size: 3, padding: Padding::Zeros, align_corners };
            axis.sample(place, Interpolation::Linear)
        };
        assert_eq!(sample(true, -1.0)[0], (0, 1.0));
        assert_eq!(sample(false, -1.0)[..], [(0, 0.5)]);
    }
}
