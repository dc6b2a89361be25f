//! NEON: 4 lanes, 32 registers.

use std::arch::aarch64::*;
use std::arch::asm;

use super::{Simd, Tiles, WIDTHS_OF_32_REGISTERS, tiles_of_32_registers};

/// Needs no proof: every 64-bit ARM processor has NEON.
#[derive(Clone, Copy)]
pub(super) struct Neon;

/// Calls an intrinsic.
macro_rules! neon {
    // SAFETY: every processor that this is compiled for has the instruction.
    ($call:expr) => {
        unsafe { $call }
    };
}

/// `2^n` for integers in -126..=127.
#[inline(always)]
fn power_of_two(n: int32x4_t) -> float32x4_t {
    neon!(vreinterpretq_f32_s32(vshlq_n_s32::<23>(vaddq_s32(n, vdupq_n_s32(127)))))
}

impl Simd for Neon {
    type V = float32x4_t;
    const LANES: usize = 4;

    #[inline(always)]
    fn splat(self, x: f32) -> float32x4_t {
        neon!(vdupq_n_f32(x))
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> float32x4_t {
        // SAFETY: the caller's.
        unsafe { vld1q_f32(from) }
    }
    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, n: usize) -> float32x4_t {
        let mut lanes = [0.0; 4];
        for (i, lane) in lanes.iter_mut().enumerate().take(n) {
            // SAFETY: the caller's.
            *lane = unsafe { *from.add(i) };
        }
        // SAFETY: 4 lanes.
        unsafe { vld1q_f32(lanes.as_ptr()) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: float32x4_t) {
        // SAFETY: the caller's.
        unsafe { vst1q_f32(to, v) }
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, n: usize, v: float32x4_t) {
        let mut lanes = [0.0; 4];
        // SAFETY: 4 lanes.
        unsafe { vst1q_f32(lanes.as_mut_ptr(), v) };
        for (i, &lane) in lanes.iter().enumerate().take(n) {
            // SAFETY: the caller's.
            unsafe { to.add(i).write(lane) }
        }
    }
    #[inline(always)]
    unsafe fn load_nibbles(self, from: *const u8) -> (float32x4_t, float32x4_t) {
        // SAFETY: the caller's; 4 bytes are read, which have no alignment.
        let bytes = unsafe { from.cast::<u32>().read_unaligned() };
        let bytes = neon!(vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(u64::from(bytes))))));
        let low = neon!(vandq_u32(bytes, vdupq_n_u32(15)));
        (neon!(vcvtq_f32_u32(low)), neon!(vcvtq_f32_u32(vshrq_n_u32::<4>(bytes))))
    }
    #[inline(always)]
    fn prefetch(self, at: *const f32) {
        // SAFETY: a hint, which reads nothing that a program sees, at any address.
        unsafe { asm!("prfm pldl2keep, [{}]", in(reg) at, options(nostack, preserves_flags, readonly)) }
    }

    #[inline(always)]
    fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        neon!(vaddq_f32(a, b))
    }
    #[inline(always)]
    fn sub(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        neon!(vsubq_f32(a, b))
    }
    #[inline(always)]
    fn mul(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        neon!(vmulq_f32(a, b))
    }
    #[inline(always)]
    fn div(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        neon!(vdivq_f32(a, b))
    }
    #[inline(always)]
    fn fma(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        neon!(vfmaq_f32(c, a, b))
    }
    #[inline(always)]
    fn fnma(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        neon!(vfmsq_f32(c, a, b))
    }
    #[inline(always)]
    fn product_error(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        neon!(vfmaq_f32(vnegq_f32(vmulq_f32(a, b)), a, b))
    }
    #[inline(always)]
    fn min(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // Not the instruction of that name, which makes NaN of either.
        neon!(vbslq_f32(vcltq_f32(a, b), a, b))
    }
    #[inline(always)]
    fn max(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        neon!(vbslq_f32(vcgtq_f32(a, b), a, b))
    }
    #[inline(always)]
    fn abs(self, a: float32x4_t) -> float32x4_t {
        neon!(vabsq_f32(a))
    }
    #[inline(always)]
    fn with_sign(self, magnitude: float32x4_t, sign: float32x4_t) -> float32x4_t {
        neon!(vbslq_f32(vdupq_n_u32(1 << 31), sign, magnitude))
    }
    #[inline(always)]
    fn round(self, a: float32x4_t) -> float32x4_t {
        neon!(vrndnq_f32(a))
    }
    #[inline(always)]
    fn scale(self, a: float32x4_t, n: float32x4_t) -> float32x4_t {
        // In two steps, since 2^n alone may be out of range where the product is not.
        let n = neon!(vcvtq_s32_f32(n));
        let half = neon!(vshrq_n_s32::<1>(n));
        let rest = neon!(vsubq_s32(n, half));
        self.mul(self.mul(a, power_of_two(half)), power_of_two(rest))
    }
    #[inline(always)]
    fn scale_near(self, a: float32x4_t, n: float32x4_t) -> float32x4_t {
        self.mul(a, power_of_two(neon!(vcvtq_s32_f32(n))))
    }
    #[inline(always)]
    fn where_less(self, a: float32x4_t, b: float32x4_t, yes: float32x4_t, no: float32x4_t) -> float32x4_t {
        neon!(vbslq_f32(vcltq_f32(a, b), yes, no))
    }

    const TILE_WIDTHS: &'static [usize] = WIDTHS_OF_32_REGISTERS;

    #[inline(always)]
    fn tiles<T: Tiles>(self, vectors: usize, tiles: &T) {
        tiles_of_32_registers(self, vectors, tiles);
    }

    #[inline(always)]
    fn sum(self, a: float32x4_t) -> f32 {
        neon!(vaddvq_f32(a))
    }
    #[inline(always)]
    fn largest(self, a: float32x4_t) -> f32 {
        neon!(vmaxvq_f32(a))
    }
}
