//! Vectors of f32 of each instruction set behind one trait, so that a kernel is written once.
//!
//! A kernel is a [`Kernel`] whose `call` is generic over [`Simd`] and, like everything that it calls with
//! the token, `#[inline(always)]`: [`dispatch`] enters a function for which the instruction set is switched
//! on, and only what is inlined into it is compiled for that set. A closure may stay a function of its own,
//! in which each instruction becomes a call: none may see the token, nor what iterators call. Invariant: a token exists only where the
//! processor has its instructions, so that arithmetic with it is safe.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(test)]
mod tests;

use crate::isa::Isa;

/// The vectors of one instruction set. Where an operation has two operands and one is NaN, it is said
/// which comes out; all else follows IEEE 754.
pub(crate) trait Simd: Copy {
    /// [`Self::LANES`] numbers.
    type V: Copy;
    /// Numbers in a vector.
    const LANES: usize;

    /// `x` in every lane.
    fn splat(self, x: f32) -> Self::V;
    /// # Safety
    /// [`Self::LANES`] elements at `from` are readable.
    unsafe fn load(self, from: *const f32) -> Self::V;
    /// The first `n` lanes, at most all, and 0 in the others.
    ///
    /// # Safety
    /// `min(n, LANES)` elements at `from` are readable.
    unsafe fn load_first(self, from: *const f32, n: usize) -> Self::V;
    /// # Safety
    /// [`Self::LANES`] elements at `to` are writable.
    unsafe fn store(self, to: *mut f32, v: Self::V);
    /// The first `n` lanes, at most all.
    ///
    /// # Safety
    /// `min(n, LANES)` elements at `to` are writable.
    unsafe fn store_first(self, to: *mut f32, n: usize, v: Self::V);
    /// All lanes where `n` is as many, else as [`Self::load_first`].
    ///
    /// # Safety
    /// `min(n, LANES)` elements at `from` are readable.
    #[inline(always)]
    unsafe fn load_part(self, from: *const f32, n: usize) -> Self::V {
        // SAFETY: the caller's.
        unsafe { if n >= Self::LANES { self.load(from) } else { self.load_first(from, n) } }
    }
    /// All lanes where `n` is as many, else as [`Self::store_first`].
    ///
    /// # Safety
    /// `min(n, LANES)` elements at `to` are writable.
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, n: usize, v: Self::V) {
        // SAFETY: the caller's.
        unsafe { if n >= Self::LANES { self.store(to, v) } else { self.store_first(to, n, v) } }
    }
    /// The low and the high halves of the first [`Self::LANES`] bytes, as numbers.
    ///
    /// # Safety
    /// [`Self::LANES`] bytes at `from` are readable.
    unsafe fn load_nibbles(self, from: *const u8) -> (Self::V, Self::V);
    /// Asks for the cache line at `at`, which need not be readable, to be brought into the second level.
    fn prefetch(self, at: *const f32);

    /// `a + b`.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b`.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a / b`.
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, rounded once where the processor can, else twice.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `c - a * b`, rounded as [`Self::fma`].
    fn fnma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// What rounding takes from a product: `a * b - round(a * b)`, itself rounded.
    fn product_error(self, a: Self::V, b: Self::V) -> Self::V;
    /// The smaller; `b` where either is NaN.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// The larger; `b` where either is NaN.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// Without the sign.
    fn abs(self, a: Self::V) -> Self::V;
    /// `magnitude` with the sign of `sign`; `magnitude` is not negative.
    fn with_sign(self, magnitude: Self::V, sign: Self::V) -> Self::V;
    /// The nearest integer; the even one where two are equally near.
    fn round(self, a: Self::V) -> Self::V;
    /// `a * 2^n` for an integral `n` in -252..=252; rounded once.
    fn scale(self, a: Self::V, n: Self::V) -> Self::V;
    /// As [`Self::scale`], for an `n` in -126..=127, of which 2^n is a number: it takes fewer steps.
    fn scale_near(self, a: Self::V, n: Self::V) -> Self::V;
    /// Lane by lane `yes` where `a < b`, else (and for NaN) `no`.
    fn where_less(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V;

    /// Runs a loop over tiles of `vectors` vectors side by side (one of [`Self::TILE_WIDTHS`], else the last),
    /// with as many rows as the registers hold.
    fn tiles<T: Tiles>(self, vectors: usize, tiles: &T);
    /// The widths of tiles, in vectors.
    const TILE_WIDTHS: &'static [usize];

    /// The sum of all lanes.
    fn sum(self, a: Self::V) -> f32;
    /// The largest lane; any where one is NaN.
    fn largest(self, a: Self::V) -> f32;
}

/// A loop over vectors.
pub(crate) trait Kernel {
    /// What it gives.
    type Output;
    /// Runs it; must be `#[inline(always)]`.
    fn call<S: Simd>(self, s: S) -> Self::Output;
}

/// A loop over tiles of a matrix that are held in registers.
pub(crate) trait Tiles {
    /// Runs it with tiles of at most `ROWS` rows and `VECTORS` vectors; must be `#[inline(always)]`.
    fn run<S: Simd, const VECTORS: usize, const ROWS: usize>(&self, s: S);
}

/// [`Simd::TILE_WIDTHS`] where there are 32 registers: for the tile, a row of weights, and one that is spread.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
const WIDTHS_OF_32_REGISTERS: &[usize] = &[1, 2, 3, 4];

/// [`Simd::tiles`] where there are 32 registers.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline(always)]
fn tiles_of_32_registers<S: Simd, T: Tiles>(s: S, vectors: usize, tiles: &T) {
    match vectors {
        1 => tiles.run::<S, 1, 14>(s),
        2 => tiles.run::<S, 2, 12>(s),
        3 => tiles.run::<S, 3, 8>(s),
        _ => tiles.run::<S, 4, 6>(s),
    }
}

/// The widths of tiles in numbers, and the numbers of a vector, on `isa`.
pub(crate) fn tile_widths(isa: Isa) -> (&'static [usize], usize) {
    struct Widths;
    impl Kernel for Widths {
        type Output = (&'static [usize], usize);
        #[inline(always)]
        fn call<S: Simd>(self, _s: S) -> Self::Output {
            (S::TILE_WIDTHS, S::LANES)
        }
    }
    dispatch(isa, Widths)
}

/// The vectors that `len` elements make up: where each begins, and how many elements are left from there on.
#[derive(Clone, Copy)]
pub(crate) struct Spans {
    at: usize,
    len: usize,
    lanes: usize,
}

impl Spans {
    /// Those of `S`.
    #[inline(always)]
    pub(crate) const fn of<S: Simd>(_s: S, len: usize) -> Self {
        Self { at: 0, len, lanes: S::LANES }
    }
}

impl Iterator for Spans {
    type Item = (usize, usize);

    #[inline(always)]
    fn next(&mut self) -> Option<(usize, usize)> {
        let at = self.at;
        self.at += self.lanes;
        if at < self.len { Some((at, self.len - at)) } else { None }
    }
}

/// Runs `kernel` on `isa`'s vectors, or on less where the processor lacks them.
#[inline]
pub(crate) fn dispatch<K: Kernel>(isa: Isa, kernel: K) -> K::Output {
    match isa.min(Isa::supported()) {
        // SAFETY: the processor supports what `min` leaves.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { avx512::run(kernel) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { avx2::run(kernel) },
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => kernel.call(neon::Neon),
        _ => kernel.call(portable::Portable),
    }
}
