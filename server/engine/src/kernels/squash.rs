//! Sigmoid and hyperbolic tangent of `f32` slices, without branches, so that the compiler can use vectors.
//! Within 3e-7 of the exact value.

/// `exp(x)`, within 2 units in the last place between -87 and 88, and held at those ends beyond them.
fn exp(x: f32) -> f32 {
    // Adding it rounds to whole numbers, which then stand in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    let rest = (x - whole * 0.693_359_4) + whole * 2.121_944_4e-4;
    let series = 1.987_569_1e-4;
    let series = series * rest + 1.398_2e-3;
    let series = series * rest + 8.333_452e-3;
    let series = series * rest + 4.166_579_6e-2;
    let series = series * rest + 1.666_666_6e-1;
    let series = series * rest + 0.5;
    let fraction = series * rest * rest + rest + 1.0;
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    fraction * f32::from_bits(exponent)
}

/// `1 / (1 + exp(-x))`.
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The hyperbolic tangent.
pub(crate) fn tanh(x: f32) -> f32 {
    let square = x * x;
    let series = -5.704_988_7e-3;
    let series = series * square + 2.063_909e-2;
    let series = series * square - 5.373_971_7e-2;
    let series = series * square + 1.333_144_2e-1;
    let series = series * square - 3.333_328e-1;
    let small = series * square * x + x;
    let large = 1.0 - 2.0 / (exp(2.0 * x) + 1.0);
    if x.abs() < 0.625 { small } else { large }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_stay_close_to_the_exact_values() {
        for i in -4000..=4000i16 {
            let x = f32::from(i) / 100.0;
            let exact = f64::from(x);
            assert!((f64::from(tanh(x)) - exact.tanh()).abs() < 3e-7, "tanh {x}");
            let expected = 1.0 / (1.0 + (-exact).exp());
            assert!((f64::from(sigmoid(x)) - expected).abs() < 3e-7, "sigmoid {x}");
        }
    }

    #[test]
    fn the_ends_hold() {
        assert_eq!(tanh(f32::INFINITY), 1.0);
        assert_eq!(tanh(f32::NEG_INFINITY), -1.0);
        assert!(sigmoid(f32::NEG_INFINITY) < 1e-37);
        assert!(tanh(f32::NAN).is_nan() && sigmoid(f32::NAN).is_nan());
    }
}
