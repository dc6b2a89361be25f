//! Exponentials of f32 without branches or calls, so that loops over them vectorise.

/// e^x within 2 units in the last place; 0 and infinity where it leaves the range, NaN for NaN.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // Adding it leaves the nearest integer in the low bits of the sum.
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-104.0, 89.0);
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let power = rounded.to_bits().wrapping_sub(ROUND.to_bits()).cast_signed();
    let n = rounded - ROUND;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    let mut p = 1.987_569_1e-4f32;
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = p * r + coefficient;
    }
    let p = p * r * r + r + 1.0;
    // In two steps, since 2^power alone may be out of range where the product is not.
    let half = power >> 1;
    p * power_of_two(half) * power_of_two(power.wrapping_sub(half))
}

/// 2^n for n in -126..=127.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127).cast_unsigned()) << 23)
}

/// tanh x within 5e-7 relative.
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    // tanh x = (1 - e^-2|x|) / (1 + e^-2|x|); below the bound its series, where that would cancel.
    const SMALL: f32 = 0.55;
    let magnitude = x.abs();
    let e = exp(-2.0 * magnitude);
    let large = (1.0 - e) / (1.0 + e);
    let s = x * x;
    let mut p = -5.704_988_7e-3f32;
    for coefficient in [2.063_908_8e-2, -5.373_971_6e-2, 1.333_144_2e-1, -3.333_328_4e-1] {
        p = p * s + coefficient;
    }
    let small = p * s * x + x;
    (if magnitude < SMALL { small } else { large }).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worst(from: f32, to: f32, fast: fn(f32) -> f32, exact: fn(f64) -> f64) -> f64 {
        let steps = 200_000;
        let points = (0..=steps).map(|i| from + (to - from) * (i as f32 / steps as f32));
        points
            .filter(|x| *x != 0.0)
            .map(|x| ((f64::from(fast(x)) - exact(f64::from(x))) / exact(f64::from(x))).abs())
            .fold(0.0, f64::max)
    }

    #[test]
    fn they_are_as_near_as_their_docs_say() {
        let exponential = worst(-87.0, 88.7, exp, f64::exp);
        assert!(exponential < 2.4e-7, "{exponential}");
        let tangent = worst(-12.0, 12.0, tanh, f64::tanh);
        assert!(tangent < 5e-7, "{tangent}");
    }

    #[test]
    fn the_ends_of_the_range_are_exact() {
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp(100.0), f32::INFINITY);
        assert!(exp(f32::NAN).is_nan() && tanh(f32::NAN).is_nan());
        assert_eq!(tanh(f32::INFINITY), 1.0);
        assert_eq!(tanh(f32::NEG_INFINITY), -1.0);
        assert_eq!(tanh(-0.0).to_bits(), (-0.0f32).to_bits());
    }
}
