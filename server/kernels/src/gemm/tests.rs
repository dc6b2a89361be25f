//! Products of random sizes on every instruction set against f64.

use std::mem::MaybeUninit;

use proptest::prelude::*;

use super::{Epilogue, Gather, Packed, Rows, Weights, product, product_into};
use crate::{Misfit, isa::Isa, math::Function};

/// Numbers in -1..1 without a pattern.
fn noise(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(next).collect()
}

/// Element (i, j) of the product of `row(i)` with `weights`, `[k, n]`.
fn exact(row: &[f32], weights: &[f32], n: usize, j: usize) -> f64 {
    row.iter().zip(weights.chunks(n.max(1))).map(|(&a, b)| f64::from(a) * f64::from(b[j])).sum()
}

fn assert_near(got: &[f32], expected: impl Iterator<Item = f64>, k: usize, what: &str) {
    let bound = 1e-6 * (k as f64 + 8.0);
    for (i, (&got, expected)) in got.iter().zip(expected).enumerate() {
        let error = (f64::from(got) - expected).abs();
        assert!(error <= bound, "{what}: element {i} is {got}, not {expected}");
    }
}

fn check(isa: Isa, m: usize, k: usize, n: usize, turned: bool) {
    let (a, b, bias, residual) = (noise(m * k, 1), noise(k * n, 2), noise(n, 3), noise(m * n, 4));
    let columns: Vec<f32> = (0..n * k).map(|i| b[i % k * n + i / k]).collect();
    let weights = if turned { Weights::columns(&columns, k, n) } else { Weights::rows(&b, k, n) };
    let packed = Packed::new(isa, &weights).unwrap();
    let rows = Rows::dense(&a, m, k).unwrap();
    let what = format!("{isa:?} {m}x{k}x{n}");
    let element = |i: usize| exact(&a[i / n * k..][..k], &b, n, i % n);
    let bare = product(&rows, &packed, &Epilogue::default()).unwrap();
    assert_near(&bare, (0..m * n).map(element), k, &what);
    for function in [Function::RELU, Function::Clip { low: -0.5, high: 0.25 }, Function::Tanh] {
        let epilogue = Epilogue { bias: Some(&bias), residual: Some(&residual), activation: Some(function) };
        let got = product(&rows, &packed, &epilogue).unwrap();
        let finished = (0..m * n).map(|i| {
            let sum = element(i) + f64::from(bias[i % n]) + f64::from(residual[i]);
            match function {
                Function::Clip { low, high } => sum.clamp(f64::from(low), f64::from(high)),
                _ => sum.tanh(),
            }
        });
        assert_near(&got, finished, k, &what);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::effort::cases(40)))]

    #[test]
    fn any_product_is_exact(m in 1usize..40, k in 0usize..90, n in 1usize..150, turned: bool) {
        Isa::available().for_each(|isa| check(isa, m, k, n, turned));
    }

    #[test]
    #[cfg_attr(miri, ignore = "too long")]
    fn a_deep_product_is_exact(m in 1usize..9, k in 760usize..2400, n in 1usize..70) {
        Isa::available().for_each(|isa| check(isa, m, k, n, false));
    }

    #[test]
    fn gathered_pieces_are_those_of_copied_rows(
        images in 1usize..4, rows in 1usize..20, pieces in 0usize..12, depth in 1usize..200, n in 1usize..70,
        seed: u32,
    ) {
        Isa::available().for_each(|isa| gathered(isa, [images, rows, pieces, depth, n], seed));
    }
}

/// Pieces anywhere in an image, some of them absent.
fn gathered(isa: Isa, [images, rows, pieces, depth, n]: [usize; 5], seed: u32) {
    let size = 4 * depth;
    let (image, b) = (noise(images * size, seed), noise(pieces * depth * n, 5));
    let places = noise(pieces * rows, seed ^ 6);
    let offset = |x: f32| if x < -0.8 { Gather::ABSENT } else { (x.abs() * 3.0 * depth as f32) as u32 };
    let offsets: Vec<u32> = places.into_iter().map(offset).collect();
    let copied: Vec<f32> = (0..images * rows * pieces)
        .flat_map(|i| {
            let (base, row, piece) = (i / pieces / rows * size, i / pieces % rows, i % pieces);
            match offsets[piece * rows + row] {
                Gather::ABSENT => vec![0.0; depth],
                offset => image[base + offset as usize..][..depth].to_vec(),
            }
        })
        .collect();
    let table = Gather::new(offsets, pieces, rows, depth).unwrap();
    let packed = Packed::new(isa, &Weights::rows(&b, pieces * depth, n)).unwrap();
    let got = product(&Rows::gathered(&image, &table, images, size).unwrap(), &packed, &Epilogue::default());
    let k = pieces * depth;
    let expected = (0..images * rows * n).map(|i| exact(&copied[i / n * k..][..k], &b, n, i % n));
    assert_near(&got.unwrap(), expected, k, &format!("{isa:?} gathered"));
}

#[test]
fn between_the_rows_of_a_result_nothing_is_touched() {
    for isa in Isa::available() {
        let (a, b) = (noise(5 * 3, 1), noise(3 * 2, 2));
        let packed = Packed::new(isa, &Weights::rows(&b, 3, 2)).unwrap();
        let rows = Rows::strided(&a, 2, 3, 7).unwrap();
        let mut out = [MaybeUninit::new(9.0f32); 9];
        product_into(&rows, &packed, &Epilogue::default(), &mut out, 5).unwrap();
        // SAFETY: every element was given a value above.
        let out = out.map(|x| unsafe { x.assume_init() });
        for i in [0, 1, 5, 6] {
            assert!((f64::from(out[i]) - exact(&a[i / 5 * 7..][..3], &b, 2, i % 5)).abs() < 1e-6);
        }
        assert!([2, 3, 4, 7, 8].iter().all(|&i| out[i] == 9.0));
    }
}

#[test]
fn nothing_times_anything() {
    let packed = Packed::new(Isa::current(), &Weights::rows(&[], 0, 3)).unwrap();
    let bias = Epilogue { bias: Some(&[1.0, 2.0, 3.0]), ..Epilogue::default() };
    assert_eq!(product(&Rows::dense(&[], 1, 0).unwrap(), &packed, &bias).unwrap(), [1.0, 2.0, 3.0]);
    assert!(product(&Rows::dense(&[], 0, 0).unwrap(), &packed, &bias).unwrap().is_empty());
    let none = Packed::new(Isa::current(), &Weights::rows(&[], 4, 0)).unwrap();
    let rows = Rows::dense(&[0.0; 8], 2, 4).unwrap();
    assert!(product(&rows, &none, &Epilogue::default()).unwrap().is_empty());
}

#[test]
fn what_does_not_fit_is_refused() {
    let weights =
        |k, n, row_stride, column_stride| Weights { data: &[0.0; 6], k, n, row_stride, column_stride };
    let pack = |weights| Packed::new(Isa::current(), &weights).err();
    assert_eq!(pack(weights(2, 3, 3, 1)), None);
    assert_eq!(pack(weights(3, 3, 3, 1)), Some(Misfit("the weights")));
    assert_eq!(pack(weights(2, 3, usize::MAX, 1)), Some(Misfit("the weights")));
    assert!(Rows::dense(&[0.0; 5], 2, 3).is_err());
    assert!(Rows::strided(&[0.0; 5], usize::MAX, 3, usize::MAX).is_err());
    assert!(Gather::new(vec![0; 5], 2, 3, 1).is_err());
    let table = Gather::new(vec![0, 4], 2, 1, 3).unwrap();
    assert!(Rows::gathered(&[0.0; 6], &table, 1, 7).is_err());
    assert!(Rows::gathered(&[0.0; 13], &table, 2, 7).is_err());
    assert!(Rows::gathered(&[0.0; 14], &table, 2, 7).is_ok());
    let packed = Packed::new(Isa::current(), &Weights::rows(&[0.0; 6], 2, 3)).unwrap();
    let rows = Rows::dense(&[0.0; 4], 2, 2).unwrap();
    let with = |epilogue: Epilogue<'_>| product(&rows, &packed, &epilogue).err();
    assert_eq!(with(Epilogue { bias: Some(&[0.0; 2]), ..Epilogue::default() }), Some(Misfit("the bias")));
    let short = Epilogue { residual: Some(&[0.0; 5]), ..Epilogue::default() };
    assert_eq!(with(short), Some(Misfit("the residual")));
    let three = Rows::dense(&[0.0; 6], 2, 3).unwrap();
    assert_eq!(product(&three, &packed, &Epilogue::default()), Err(Misfit("the left side's rows")));
    let mut out = [MaybeUninit::new(0.0); 5];
    assert!(product_into(&rows, &packed, &Epilogue::default(), &mut out, 3).is_err());
    assert!(product_into(&rows, &packed, &Epilogue::default(), &mut out, 2).is_err());
}
