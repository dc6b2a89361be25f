//! AVX2 with FMA: 8 lanes.

use std::arch::x86_64::*;

use super::{Kernel, Simd, Tiles};

/// Proof that the processor has AVX2 and FMA.
#[derive(Clone, Copy)]
pub(super) struct Avx2(());

/// # Safety
/// The processor has the features named.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.call(Avx2(()))
}

/// Ones in the lanes below a number: read from `8 - n` on.
static FIRST: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

/// Calls an intrinsic.
macro_rules! x86 {
    // SAFETY: the token proves that the processor has the instruction.
    ($call:expr) => {
        unsafe { $call }
    };
}

#[inline(always)]
fn first(n: usize) -> __m256i {
    // SAFETY: 8 elements from at most place 8 on lie within the 16; the processor has the instruction,
    // since only methods of the token call this.
    unsafe { _mm256_loadu_si256(FIRST.as_ptr().add(8 - n.min(8)).cast()) }
}

/// `2^n` for integers in -126..=127.
#[inline(always)]
fn power_of_two(n: __m256i) -> __m256 {
    x86!(_mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(n, _mm256_set1_epi32(127)))))
}

impl Simd for Avx2 {
    type V = __m256;
    const LANES: usize = 8;

    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        x86!(_mm256_set1_ps(x))
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m256 {
        // SAFETY: the caller's.
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, n: usize) -> __m256 {
        // SAFETY: the caller's; lanes outside of the mask are not read.
        unsafe { _mm256_maskload_ps(from, first(n)) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: __m256) {
        // SAFETY: the caller's.
        unsafe { _mm256_storeu_ps(to, v) }
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, n: usize, v: __m256) {
        // SAFETY: the caller's; lanes outside of the mask are not written.
        unsafe { _mm256_maskstore_ps(to, first(n), v) }
    }
    #[inline(always)]
    unsafe fn load_nibbles(self, from: *const u8) -> (__m256, __m256) {
        // SAFETY: the caller's; 8 bytes are read.
        let bytes = unsafe { _mm256_cvtepu8_epi32(_mm_loadl_epi64(from.cast())) };
        let low = x86!(_mm256_and_si256(bytes, _mm256_set1_epi32(15)));
        (x86!(_mm256_cvtepi32_ps(low)), x86!(_mm256_cvtepi32_ps(_mm256_srli_epi32::<4>(bytes))))
    }
    #[inline(always)]
    fn prefetch(self, at: *const f32) {
        x86!(_mm_prefetch::<_MM_HINT_T1>(at.cast()))
    }

    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        x86!(_mm256_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        x86!(_mm256_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        x86!(_mm256_mul_ps(a, b))
    }
    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        x86!(_mm256_div_ps(a, b))
    }
    #[inline(always)]
    fn fma(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        x86!(_mm256_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn fnma(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        x86!(_mm256_fnmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn product_error(self, a: __m256, b: __m256) -> __m256 {
        x86!(_mm256_fmsub_ps(a, b, _mm256_mul_ps(a, b)))
    }
    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        x86!(_mm256_min_ps(a, b))
    }
    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        x86!(_mm256_max_ps(a, b))
    }
    #[inline(always)]
    fn abs(self, a: __m256) -> __m256 {
        x86!(_mm256_andnot_ps(_mm256_set1_ps(-0.0), a))
    }
    #[inline(always)]
    fn with_sign(self, magnitude: __m256, sign: __m256) -> __m256 {
        x86!(_mm256_or_ps(magnitude, _mm256_and_ps(sign, _mm256_set1_ps(-0.0))))
    }
    #[inline(always)]
    fn round(self, a: __m256) -> __m256 {
        x86!(_mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a))
    }
    #[inline(always)]
    fn scale(self, a: __m256, n: __m256) -> __m256 {
        // In two steps, since 2^n alone may be out of range where the product is not.
        let n = x86!(_mm256_cvtps_epi32(n));
        let half = x86!(_mm256_srai_epi32::<1>(n));
        let rest = x86!(_mm256_sub_epi32(n, half));
        self.mul(self.mul(a, power_of_two(half)), power_of_two(rest))
    }
    #[inline(always)]
    fn scale_near(self, a: __m256, n: __m256) -> __m256 {
        self.mul(a, power_of_two(x86!(_mm256_cvtps_epi32(n))))
    }
    #[inline(always)]
    fn where_less(self, a: __m256, b: __m256, yes: __m256, no: __m256) -> __m256 {
        x86!(_mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_LT_OQ>(a, b)))
    }

    const TILE_WIDTHS: &'static [usize] = &[1, 2];

    #[inline(always)]
    fn tiles<T: Tiles>(self, vectors: usize, tiles: &T) {
        // 16 registers: the tile, a row of weights, and one that is spread.
        match vectors {
            1 => tiles.run::<Self, 1, 8>(self),
            _ => tiles.run::<Self, 2, 6>(self),
        }
    }

    #[inline(always)]
    fn sum(self, a: __m256) -> f32 {
        let quarter = x86!(_mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a)));
        let pair = x86!(_mm_add_ps(quarter, _mm_movehl_ps(quarter, quarter)));
        x86!(_mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair))))
    }
    #[inline(always)]
    fn largest(self, a: __m256) -> f32 {
        let quarter = x86!(_mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a)));
        let pair = x86!(_mm_max_ps(quarter, _mm_movehl_ps(quarter, quarter)));
        x86!(_mm_cvtss_f32(_mm_max_ss(pair, _mm_movehdup_ps(pair))))
    }
}
