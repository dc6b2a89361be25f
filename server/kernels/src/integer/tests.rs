//! Every instruction set against sums taken one by one.

use super::{
    product::product_on,
    quantize::{extent, quantize_on},
    *,
};
use crate::{isa::Isa, pool::Pool};

/// Bytes of every value, the extremes first.
fn bytes(len: usize, seed: usize) -> Vec<u8> {
    let mut state = seed as u64 * 2_654_435_761 + 1;
    let next = |i: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        [0, 255, 127, 128].get(i).copied().unwrap_or((state >> 33) as u8)
    };
    (0..len).map(next).collect()
}

fn signed(bytes: &[u8]) -> Vec<i8> {
    bytes.iter().map(|b| b.cast_signed()).collect()
}

struct Case {
    sizes: [usize; 3],
    left: Vec<i32>,
    right: Vec<i32>,
    left_zeros: Vec<i32>,
    right_zeros: Vec<i32>,
}

impl Case {
    fn expected(&self) -> Vec<i32> {
        let [m, k, n] = self.sizes;
        let at = |i: usize, j: usize| {
            let term = |p: usize| {
                (self.left[i * k + p] - self.left_zeros[i]) * (self.right[p * n + j] - self.right_zeros[j])
            };
            (0..k).map(term).sum()
        };
        (0..m * n).map(|place| at(place / n, place % n)).collect()
    }
}

const SIZES: [[usize; 3]; 9] = [
    [1, 4, 16],
    [1, 1, 1],
    [6, 8, 64],
    [7, 13, 65],
    [13, 33, 100],
    [2, 5, 17],
    [30, 64, 130],
    [3, 0, 5],
    [0, 4, 4],
];

fn check(isa: Isa, case: &Case, left: &Left<'_>, right: &Right, what: &str) {
    let (lefts, rights) = (Zeros::Each(&case.left_zeros), Zeros::Each(&case.right_zeros));
    let run = |into| product_on(isa, (left, lefts), (right, rights), into, |_, s, to| to.copy_from_slice(s));
    let [m, _, n] = case.sizes;
    let expected = case.expected();
    assert_eq!(run(Into::Rows).unwrap(), expected, "{isa:?} {what} {:?}", case.sizes);
    let turned: Vec<i32> = (0..m * n).map(|i| expected[i % m * n + i / m]).collect();
    assert_eq!(run(Into::Columns).unwrap(), turned, "{isa:?} {what} {:?} turned", case.sizes);
}

#[test]
fn products_are_exact_in_every_sign_and_with_zero_points() {
    for isa in Isa::available() {
        for sizes @ [m, k, n] in SIZES {
            let (a, b) = (bytes(m * k, 1), bytes(k * n, 2));
            let (wide, wide_signed) = (
                |v: &[u8]| v.iter().map(|&v| i32::from(v)).collect(),
                |v: &[u8]| signed(v).iter().map(|&v| i32::from(v)).collect(),
            );
            let zeros = |len: usize, shift: i32| (0..len as i32).map(|i| i * 7 % 200 - shift).collect();
            let case = |left, right, (x, y)| Case {
                sizes,
                left,
                right,
                left_zeros: zeros(m, x),
                right_zeros: zeros(n, y),
            };
            let (u8_left, i8_left) =
                (Left::of_u8(&a, m, k).unwrap(), Left::of_i8(&signed(&a), m, k).unwrap());
            let (u8_right, i8_right) =
                (Right::of_u8(&b, k, n).unwrap(), Right::of_i8(&signed(&b), k, n).unwrap());
            check(isa, &case(wide(&a), wide(&b), (0, 0)), &u8_left, &u8_right, "u8 u8");
            check(isa, &case(wide(&a), wide_signed(&b), (0, 100)), &u8_left, &i8_right, "u8 i8");
            check(isa, &case(wide_signed(&a), wide(&b), (100, 0)), &i8_left, &u8_right, "i8 u8");
            check(isa, &case(wide_signed(&a), wide_signed(&b), (100, 100)), &i8_left, &i8_right, "i8 i8");
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long")]
fn tasks_of_several_threads_make_up_the_whole() {
    let [m, k, n] = [130, 96, 300];
    let (a, b) = (bytes(m * k, 3), bytes(k * n, 4));
    let (left, right) = (Left::of_u8(&a, m, k).unwrap(), Right::of_i8(&signed(&b), k, n).unwrap());
    let run = || sums((&left, Zeros::One(3)), (&right, Zeros::One(0)), Into::Rows).unwrap();
    assert_eq!(Pool::new(3).unwrap().enter(run), run());
}

#[test]
fn a_turned_matrix_packs_the_same() {
    let (k, n) = (5, 18);
    let b = bytes(k * n, 5);
    let turned: Vec<u8> = (0..k * n).map(|i| b[i % k * n + i / k]).collect();
    let same = |a: Right, b: Right| assert_eq!((&*a.data, a.sums), (&*b.data, b.sums));
    same(Right::of_u8(&b, k, n).unwrap(), Right::of_turned_u8(&turned, k, n).unwrap());
    same(Right::of_i8(&signed(&b), k, n).unwrap(), Right::of_turned_i8(&signed(&turned), k, n).unwrap());
}

#[test]
fn the_finish_knows_its_place() {
    let (left, right) = (Left::of_u8(&[1, 2, 3], 3, 1).unwrap(), Right::of_i8(&[1; 70], 1, 70).unwrap());
    let place = |(row, column): (usize, usize), sums: &[i32], to: &mut [f32]| {
        for (i, (to, &sum)) in to.iter_mut().zip(sums).enumerate() {
            *to = (row * 1000 + column + i) as f32 + sum as f32 / 10.0;
        }
    };
    let made = product((&left, Zeros::One(0)), (&right, Zeros::One(0)), Into::Rows, place).unwrap();
    assert_eq!((made[0], made[69], made[70 + 64]), (0.1, 69.1, 1064.2));
}

#[test]
fn sizes_that_do_not_fit_are_none() {
    assert!(Left::of_u8(&[0; 5], 2, 3).is_none() && Left::of_i8(&[0; 5], 2, 3).is_none());
    assert!(Right::of_u8(&[0; 5], 2, 3).is_none() && Right::of_turned_i8(&[0; 5], 2, 3).is_none());
    assert!(Left::of_u8(&[], usize::MAX, 2).is_none());
    let (left, right) = (Left::of_u8(&[0; 6], 2, 3).unwrap(), Right::of_i8(&[0; 4], 2, 2).unwrap());
    assert!(sums((&left, Zeros::One(0)), (&right, Zeros::One(0)), Into::Rows).is_none());
    let right = Right::of_i8(&[0; 6], 3, 2).unwrap();
    assert!(sums((&left, Zeros::Each(&[1])), (&right, Zeros::One(0)), Into::Rows).is_none());
}

#[test]
fn floats_are_quantized_as_the_specification_says() {
    let elements: Vec<f32> = (0..1000).map(|i| ((i * 37) % 501) as f32 / 10.0 - 12.5).collect();
    for isa in Isa::available() {
        assert_eq!(extent(isa, &elements), (-12.5, 37.5), "{isa:?}");
        let grid = Range { scale: 50.0 / 255.0, zero: 64 };
        let expected: Vec<u8> = elements
            .iter()
            .map(|x| ((x / grid.scale).round_ties_even() + 64.0).clamp(0.0, 255.0) as u8)
            .collect();
        assert_eq!(quantize_on(isa, &elements, grid), expected, "{isa:?}");
    }
    assert_eq!(range(&elements), Range { scale: 50.0 / 255.0, zero: 64 });
    assert_eq!(range(&[]), Range { scale: 1.0, zero: 0 });
    assert_eq!(quantize(&[f32::NAN, 1e9, -1e9], Range { scale: 1.0, zero: 3 }), [0, 255, 0]);
}
