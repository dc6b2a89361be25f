//! Plain Rust: 4 lanes, which compilers turn into the vectors that every 64-bit processor has.

use std::array;

use super::{Simd, Tiles};

/// Needs no proof.
#[derive(Clone, Copy)]
pub(super) struct Portable;

type V = [f32; 4];

#[inline(always)]
fn zip(a: V, b: V, f: impl Fn(f32, f32) -> f32) -> V {
    array::from_fn(|i| f(a[i], b[i]))
}

/// `2^n` for n in -126..=127.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits(n.wrapping_add(127).cast_unsigned() << 23)
}

/// A small integral number as an integer, by its place in the last bits of a sum: a cast has to look for numbers
/// out of range, and is no vector instruction.
#[inline(always)]
fn integer(n: f32) -> i32 {
    const BIAS: f32 = 12_582_912.0;
    (n + BIAS).to_bits().wrapping_sub(BIAS.to_bits()).cast_signed()
}

/// A fused product and sum only where it is an instruction: elsewhere it is a slow call.
#[inline(always)]
fn fused(a: f32, b: f32, c: f32) -> f32 {
    if cfg!(any(target_arch = "aarch64", target_feature = "fma")) { a.mul_add(b, c) } else { a * b + c }
}

impl Simd for Portable {
    type V = V;
    const LANES: usize = 4;

    #[inline(always)]
    fn splat(self, x: f32) -> V {
        [x; 4]
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> V {
        // SAFETY: the caller's; an array's alignment is that of its elements.
        unsafe { from.cast::<V>().read() }
    }
    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, n: usize) -> V {
        // SAFETY: the caller's.
        array::from_fn(|i| if i < n { unsafe { *from.add(i) } } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: V) {
        // SAFETY: the caller's; an array's alignment is that of its elements.
        unsafe { to.cast::<V>().write(v) }
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, n: usize, v: V) {
        for (i, &x) in v.iter().enumerate().take(n) {
            // SAFETY: the caller's.
            unsafe { to.add(i).write(x) }
        }
    }
    #[inline(always)]
    unsafe fn load_nibbles(self, from: *const u8) -> (V, V) {
        // SAFETY: the caller's; an array of bytes has no alignment.
        let bytes = unsafe { from.cast::<[u8; 4]>().read() };
        (bytes.map(|byte| f32::from(byte & 15)), bytes.map(|byte| f32::from(byte >> 4)))
    }
    #[inline(always)]
    fn prefetch(self, _at: *const f32) {}

    #[inline(always)]
    fn add(self, a: V, b: V) -> V {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: V, b: V) -> V {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: V, b: V) -> V {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: V, b: V) -> V {
        zip(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn fma(self, a: V, b: V, c: V) -> V {
        array::from_fn(|i| fused(a[i], b[i], c[i]))
    }
    #[inline(always)]
    fn fnma(self, a: V, b: V, c: V) -> V {
        array::from_fn(|i| fused(-a[i], b[i], c[i]))
    }
    #[inline(always)]
    fn product_error(self, a: V, b: V) -> V {
        zip(a, b, |a, b| (f64::from(a) * f64::from(b) - f64::from(a * b)) as f32)
    }
    #[inline(always)]
    fn min(self, a: V, b: V) -> V {
        zip(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn max(self, a: V, b: V) -> V {
        zip(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn abs(self, a: V) -> V {
        a.map(f32::abs)
    }
    #[inline(always)]
    fn with_sign(self, magnitude: V, sign: V) -> V {
        zip(magnitude, sign, f32::copysign)
    }
    #[inline(always)]
    fn round(self, a: V) -> V {
        // Beyond 2^23 every number is integral; below, adding it leaves the nearest integer.
        const LIMIT: f32 = 8_388_608.0;
        a.map(|a| if a.abs() < LIMIT { ((a.abs() + LIMIT) - LIMIT).copysign(a) } else { a })
    }
    #[inline(always)]
    fn scale(self, a: V, n: V) -> V {
        // In two steps, since 2^n alone may be out of range where the product is not.
        zip(a, n, |a, n| {
            let n = integer(n);
            let half = n >> 1;
            a * power_of_two(half) * power_of_two(n - half)
        })
    }
    #[inline(always)]
    fn scale_near(self, a: V, n: V) -> V {
        zip(a, n, |a, n| a * power_of_two(integer(n)))
    }
    #[inline(always)]
    fn where_less(self, a: V, b: V, yes: V, no: V) -> V {
        array::from_fn(|i| if a[i] < b[i] { yes[i] } else { no[i] })
    }

    const TILE_WIDTHS: &'static [usize] = &[2];

    #[inline(always)]
    fn tiles<T: Tiles>(self, vectors: usize, tiles: &T) {
        // 16 registers at least.
        let _ = vectors;
        tiles.run::<Self, 2, 4>(self);
    }

    #[inline(always)]
    fn sum(self, a: V) -> f32 {
        (a[0] + a[2]) + (a[1] + a[3])
    }
    #[inline(always)]
    fn largest(self, a: V) -> f32 {
        a.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }
}
