//! Every vector type against plain arithmetic, lane by lane.

use super::{Kernel, Simd, dispatch, tile_widths};
use crate::isa::Isa;

const ODD: [f32; 16] = [
    0.0,
    -0.0,
    1.5,
    -2.5,
    3.5e7,
    -1e-40,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::NAN,
    0.499_999_97,
    8_388_609.0,
    -7.25,
    f32::MAX,
    f32::MIN_POSITIVE,
    2.5,
    -0.5,
];

/// Applies operation number `op` to every pair of lanes.
struct Pairwise<'a> {
    op: usize,
    a: &'a [f32; 16],
    b: &'a [f32; 16],
}

const OPS: usize = 12;

fn plain(op: usize, a: f32, b: f32) -> f32 {
    match op {
        0 => a + b,
        1 => a - b,
        2 => a * b,
        3 => a / b,
        4 => a.mul_add(b, 3.0),
        5 => (-a).mul_add(b, 3.0),
        6 => (f64::from(a) * f64::from(b) - f64::from(a * b)) as f32,
        7 => {
            if a < b {
                a
            } else {
                b
            }
        }
        8 => {
            if a > b {
                a
            } else {
                b
            }
        }
        9 => a.abs().copysign(b),
        10 => a.round_ties_even(),
        _ => {
            if a < b {
                1.0
            } else {
                2.0
            }
        }
    }
}

impl Kernel for Pairwise<'_> {
    type Output = [f32; 16];

    #[inline(always)]
    fn call<S: Simd>(self, s: S) -> [f32; 16] {
        let mut out = [0.0; 16];
        for i in (0..16).step_by(S::LANES) {
            // SAFETY: 16 is a multiple of every number of lanes.
            let (a, b) = unsafe { (s.load(self.a.as_ptr().add(i)), s.load(self.b.as_ptr().add(i))) };
            let c = match self.op {
                0 => s.add(a, b),
                1 => s.sub(a, b),
                2 => s.mul(a, b),
                3 => s.div(a, b),
                4 => s.fma(a, b, s.splat(3.0)),
                5 => s.fnma(a, b, s.splat(3.0)),
                6 => s.product_error(a, b),
                7 => s.min(a, b),
                8 => s.max(a, b),
                9 => s.with_sign(s.abs(a), b),
                10 => s.round(a),
                _ => s.where_less(a, b, s.splat(1.0), s.splat(2.0)),
            };
            // SAFETY: as above.
            unsafe { s.store(out.as_mut_ptr().add(i), c) };
        }
        out
    }
}

fn close(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()) || a == b || (a - b).abs() <= b.abs() * 1e-6
}

#[test]
fn every_operation_is_that_of_its_lanes() {
    for isa in Isa::available() {
        for op in 0..OPS {
            for turn in 0..16 {
                let mut b = ODD;
                b.rotate_left(turn);
                let got = dispatch(isa, Pairwise { op, a: &ODD, b: &b });
                for i in 0..16 {
                    let expected = plain(op, ODD[i], b[i]);
                    // An infinite product has no error worth the name.
                    let fits = close(got[i], expected) || (op == 6 && !(ODD[i] * b[i]).is_normal());
                    assert!(fits, "{isa:?} {op}: {} {} gives {}, not {expected}", ODD[i], b[i], got[i]);
                }
            }
        }
    }
}

/// Loads and stores the first `n`, scales, and folds.
struct Parts(usize);

impl Kernel for Parts {
    type Output = ([f32; 17], f32, f32, f32);

    #[inline(always)]
    fn call<S: Simd>(self, s: S) -> Self::Output {
        let mut out = [-1.0; 17];
        let from: [f32; 16] = std::array::from_fn(|i| i as f32 + 1.0);
        let n = self.0.min(S::LANES);
        // SAFETY: no more than the lanes, which are no more than 16.
        let v = unsafe { s.load_first(from.as_ptr(), n) };
        // SAFETY: as above.
        unsafe { s.store_first(out.as_mut_ptr(), n, v) };
        let tiny = s.largest(s.scale(s.splat(1.5), s.splat(-140.0)));
        (out, s.sum(v), s.largest(v), tiny)
    }
}

#[test]
fn parts_of_vectors_leave_the_rest_alone() {
    for isa in Isa::available() {
        let (_, lanes) = tile_widths(isa);
        for n in 0..=16 {
            let (out, sum, largest, tiny) = dispatch(isa, Parts(n));
            let written = n.min(lanes);
            let counted: Vec<f32> = (1..=written).map(|i| i as f32).collect();
            assert_eq!(out[..written], counted, "{isa:?} {n}");
            assert!(out[written..].iter().all(|&x| x == -1.0), "{isa:?} {n}");
            assert_eq!((sum, largest), (counted.iter().sum(), written as f32), "{isa:?} {n}");
            assert_eq!(tiny, (1.5 * 2f64.powi(-140)) as f32, "{isa:?}");
        }
    }
}
