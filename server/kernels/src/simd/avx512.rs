//! AVX-512: 16 lanes, masked loads and stores.

use std::arch::x86_64::*;

use super::{Kernel, Simd, Tiles, WIDTHS_OF_32_REGISTERS, tiles_of_32_registers};

/// Proof that the processor has AVX-512 F, BW, DQ and VL.
#[derive(Clone, Copy)]
pub(super) struct Avx512(());

/// # Safety
/// The processor has the features named.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
pub(super) unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.call(Avx512(()))
}

#[inline(always)]
fn first(n: usize) -> __mmask16 {
    if n >= 16 { u16::MAX } else { (1 << n) - 1 }
}

/// Calls an intrinsic.
macro_rules! x86 {
    // SAFETY: the token proves that the processor has the instruction.
    ($call:expr) => {
        unsafe { $call }
    };
}

impl Simd for Avx512 {
    type V = __m512;
    const LANES: usize = 16;

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        x86!(_mm512_set1_ps(x))
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m512 {
        // SAFETY: the caller's.
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, n: usize) -> __m512 {
        // SAFETY: the caller's; lanes outside of the mask are not read.
        unsafe { _mm512_maskz_loadu_ps(first(n), from) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: __m512) {
        // SAFETY: the caller's.
        unsafe { _mm512_storeu_ps(to, v) }
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, n: usize, v: __m512) {
        // SAFETY: the caller's; lanes outside of the mask are not written.
        unsafe { _mm512_mask_storeu_ps(to, first(n), v) }
    }
    #[inline(always)]
    unsafe fn load_nibbles(self, from: *const u8) -> (__m512, __m512) {
        // SAFETY: the caller's.
        let bytes = unsafe { _mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast())) };
        let low = x86!(_mm512_and_si512(bytes, _mm512_set1_epi32(15)));
        (x86!(_mm512_cvtepi32_ps(low)), x86!(_mm512_cvtepi32_ps(_mm512_srli_epi32::<4>(bytes))))
    }
    #[inline(always)]
    fn prefetch(self, at: *const f32) {
        x86!(_mm_prefetch::<_MM_HINT_T1>(at.cast()))
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        x86!(_mm512_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        x86!(_mm512_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        x86!(_mm512_mul_ps(a, b))
    }
    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        x86!(_mm512_div_ps(a, b))
    }
    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        x86!(_mm512_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn fnma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        x86!(_mm512_fnmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn product_error(self, a: __m512, b: __m512) -> __m512 {
        x86!(_mm512_fmsub_ps(a, b, _mm512_mul_ps(a, b)))
    }
    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        x86!(_mm512_min_ps(a, b))
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        x86!(_mm512_max_ps(a, b))
    }
    #[inline(always)]
    fn abs(self, a: __m512) -> __m512 {
        x86!(_mm512_abs_ps(a))
    }
    #[inline(always)]
    fn with_sign(self, magnitude: __m512, sign: __m512) -> __m512 {
        x86!(_mm512_or_ps(magnitude, _mm512_and_ps(sign, _mm512_set1_ps(-0.0))))
    }
    #[inline(always)]
    fn round(self, a: __m512) -> __m512 {
        x86!(_mm512_roundscale_ps::<0x08>(a))
    }
    #[inline(always)]
    fn scale(self, a: __m512, n: __m512) -> __m512 {
        x86!(_mm512_scalef_ps(a, n))
    }
    #[inline(always)]
    fn scale_near(self, a: __m512, n: __m512) -> __m512 {
        self.scale(a, n)
    }
    #[inline(always)]
    fn where_less(self, a: __m512, b: __m512, yes: __m512, no: __m512) -> __m512 {
        x86!(_mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b), no, yes))
    }

    const TILE_WIDTHS: &'static [usize] = WIDTHS_OF_32_REGISTERS;

    #[inline(always)]
    fn tiles<T: Tiles>(self, vectors: usize, tiles: &T) {
        tiles_of_32_registers(self, vectors, tiles);
    }

    #[inline(always)]
    fn sum(self, a: __m512) -> f32 {
        x86!(_mm512_reduce_add_ps(a))
    }
    #[inline(always)]
    fn largest(self, a: __m512) -> f32 {
        x86!(_mm512_reduce_max_ps(a))
    }
}
