//! Against the definitions in `f64`.

use super::*;

fn values(len: usize, seed: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 37 + seed * 11) % 101) as f32 / 25.0 - 2.0).collect()
}

fn exact(norm: &Norm<'_>, row: &[f32]) -> Vec<f64> {
    let count = row.len() as f64;
    let mean = match norm.to {
        To::Moments => row.iter().map(|&x| f64::from(x)).sum::<f64>() / count,
        To::MeanSquare => 0.0,
    };
    let variance = row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count;
    let factor = 1.0 / (variance + f64::from(norm.epsilon)).sqrt();
    let shift = |i: usize| norm.shift.map_or(0.0, |shift| f64::from(shift[i]));
    let value = |(i, &x): (usize, &f32)| (f64::from(x) - mean) * factor * f64::from(norm.scale[i]) + shift(i);
    row.iter().enumerate().map(value).collect()
}

fn close(came: &[f32], exact: &[f64]) -> bool {
    came.len() == exact.len() && came.iter().zip(exact).all(|(&c, &e)| (f64::from(c) - e).abs() < 1e-5)
}

#[test]
fn rows_of_every_width_match_the_definition() {
    for isa in Isa::available() {
        for width in (1..40).chain([384, 1000]) {
            let (input, scale, shift) = (values(5 * width, 1), values(width, 2), values(width, 3));
            for to in [To::Moments, To::MeanSquare] {
                for shift in [None, Some(&shift[..])] {
                    let norm = Norm { to, epsilon: 1e-5, scale: &scale, shift };
                    let came = norm.with(isa, Sum { input: &input, other: None }).unwrap();
                    for (row, came) in input.chunks(width).zip(came.chunks(width)) {
                        assert!(close(came, &exact(&norm, row)), "{isa:?} {to:?} {width}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_large_mean_costs_no_precision() {
    let row: Vec<f32> = (0..1000).map(|i| 10_000.0 + (i % 2) as f32).collect();
    let norm = Norm { to: To::Moments, epsilon: 0.0, scale: &[1.0; 1000], shift: None };
    let came = norm.apply(&row).unwrap();
    assert!(came.iter().all(|v| (v.abs() - 1.0).abs() < 1e-2), "{:?}", &came[..4]);
}

#[test]
fn a_sum_is_normalised_as_its_rows_are() {
    for isa in Isa::available() {
        for (width, added) in [(1, 6), (17, 6), (40, 2), (384, 1), (64, 3)] {
            let (input, other) = (values(6 * width, 1), values(added * width, 5));
            let scale = values(width, 2);
            let norm = Norm { to: To::Moments, epsilon: 1e-5, scale: &scale, shift: Some(&scale) };
            let sums: Vec<f32> = input.iter().zip(other.iter().cycle()).map(|(a, b)| a + b).collect();
            let sum = Sum { input: &input, other: Some(&other) };
            let expected = norm.with(isa, Sum { input: &sums, other: None }).unwrap();
            assert_eq!(norm.with(isa, sum).unwrap(), expected, "{isa:?} {width} {added}");
        }
    }
}

#[test]
fn lengths_that_do_not_fit_are_refused() {
    let norm = Norm { to: To::Moments, epsilon: 0.0, scale: &[1.0; 3], shift: Some(&[0.0; 2]) };
    assert!(norm.apply(&[0.0; 6]).is_err());
    let norm = Norm { shift: None, ..norm };
    assert!(norm.apply(&[0.0; 5]).is_err());
    assert_eq!(norm.apply(&[]), Ok(vec![]));
    let sum = |other| Sum { input: &[0.0; 6], other: Some(other) };
    assert_eq!(norm.apply_to(sum(&[0.0; 4])), Err(Misfit("what is added")));
    assert_eq!(norm.apply_to(sum(&[])), Err(Misfit("what is added")));
}
