//! Floats to `u8` on a linear grid, and the grid of the floats' own range
//! (ONNX `DynamicQuantizeLinear` and `QuantizeLinear`).

use crate::{isa::Isa, pool};

/// Elements that are worth a task of their own.
const PIECE: usize = 16 << 10;

/// 1.5 * 2^23: a small integer added to it stands in its low bits.
const MAGIC: f32 = 12_582_912.0;

/// A grid: `x / scale` rounded to even, plus `zero`, within 0..=255.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The distance of two neighbours.
    pub scale: f32,
    /// What nought becomes.
    pub zero: u8,
}

impl Range {
    /// The grid over the numbers from `min` to `max`, widened to hold 0.
    fn over(min: f32, max: f32) -> Self {
        let (min, max) = (min.min(0.0), max.max(0.0));
        // All zero: any scale does.
        let scale = if max > min { (max - min) / 255.0 } else { 1.0 };
        Self { scale, zero: (-min / scale).clamp(0.0, 255.0).round_ties_even() as u8 }
    }
}

/// The grid of the elements' own range. NaN counts for nothing.
pub fn range(elements: &[f32]) -> Range {
    let pieces: Vec<&[f32]> = elements.chunks(elements.len().div_ceil(pool::threads()).max(PIECE)).collect();
    let ends = std::sync::Mutex::new((0f32, 0f32));
    let join = |(min, max): (f32, f32)| {
        let mut ends = ends.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *ends = (ends.0.min(min), ends.1.max(max));
    };
    pool::run(pieces.len(), &|i| join(extent(Isa::current(), pieces[i])));
    let (min, max) = ends.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    Range::over(min, max)
}

/// The least and the greatest element, and 0.
pub(super) fn extent(isa: Isa, elements: &[f32]) -> (f32, f32) {
    match isa {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has AVX-512 F.
        Isa::Avx512 => unsafe { extent_avx512(elements) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has AVX2.
        Isa::Avx2 => unsafe { extent_avx2(elements) },
        _ => extent_any(elements),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn extent_avx512(elements: &[f32]) -> (f32, f32) {
    extent_any(elements)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn extent_avx2(elements: &[f32]) -> (f32, f32) {
    extent_any(elements)
}

#[inline(always)]
fn extent_any(elements: &[f32]) -> (f32, f32) {
    const LANES: usize = 64;
    let (mut least, mut greatest) = ([0f32; LANES], [0f32; LANES]);
    let (lines, rest) = elements.as_chunks::<LANES>();
    for line in lines {
        for i in 0..LANES {
            // Comparisons, unlike `f32::min`, are one instruction.
            least[i] = if line[i] < least[i] { line[i] } else { least[i] };
            greatest[i] = if line[i] > greatest[i] { line[i] } else { greatest[i] };
        }
    }
    let all = |lanes: [f32; LANES], join: fn(f32, f32) -> f32| {
        lanes.into_iter().chain(rest.iter().copied()).fold(0.0, join)
    };
    (all(least, f32::min), all(greatest, f32::max))
}

/// The elements on the grid.
pub fn quantize(elements: &[f32], range: Range) -> Vec<u8> {
    quantize_on(Isa::current(), elements, range)
}

pub(super) fn quantize_on(isa: Isa, elements: &[f32], range: Range) -> Vec<u8> {
    let mut out = vec![0; elements.len()];
    let piece = elements.len().div_ceil(2 * pool::threads()).max(PIECE);
    pool::chunks(&mut out, piece, |i, part| {
        let from = &elements[i * piece..i * piece + part.len()];
        match isa {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the processor has AVX-512 F, BW and VL.
            Isa::Avx512 => unsafe { quantize_avx512(from, range, part) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the processor has AVX2.
            Isa::Avx2 => unsafe { quantize_avx2(from, range, part) },
            _ => quantize_any(from, range, part),
        }
    });
    out
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn quantize_avx512(from: &[f32], range: Range, to: &mut [u8]) {
    quantize_any(from, range, to);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn quantize_avx2(from: &[f32], range: Range, to: &mut [u8]) {
    quantize_any(from, range, to);
}

#[inline(always)]
fn quantize_any(from: &[f32], range: Range, to: &mut [u8]) {
    let zero = f32::from(range.zero);
    for (to, &x) in to.iter_mut().zip(from) {
        let place = (x / range.scale).round_ties_even() + zero;
        // Comparisons, unlike `f32::clamp`, keep the loop simple; NaN becomes 0.
        let place = if place > 0.0 { place } else { 0.0 };
        let place = if place < 255.0 { place } else { 255.0 };
        // The low bits of a float this large are its integer part; a cast would check for NaN once more.
        *to = (place + MAGIC).to_bits() as u8;
    }
}
