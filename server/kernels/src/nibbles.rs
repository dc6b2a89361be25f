//! Products with weights of four bits in blocks along the depth, each with a scale and a zero point, as
//! ONNX Runtime's `MatMulNBits` has them. The weights stay packed, an eighth of their size as `f32`, and are
//! unpacked in registers: a product with few rows is as fast as memory gives out its weights.
//!
//! Packed, a panel of as many columns as a vector has lanes lies pair of depths by pair: a byte for each
//! column, the first of the two in its low half.

use std::ops::Range;

use crate::{
    Misfit,
    buffer::{Shared, filled},
    huge::Huge,
    isa::Isa,
    simd::{Kernel, Simd, dispatch, tile_widths},
    split,
};

/// Panels that a task goes over together.
const GROUP: usize = 4;

/// Weights as files hold them: of `n` columns, in blocks of `block` along the depth `k`.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Depth.
    pub k: usize,
    /// Columns.
    pub n: usize,
    /// Weights of a block; even.
    pub block: usize,
    /// `[n, blocks, block / 2]`, the first of two in a byte's low half.
    pub codes: &'a [u8],
    /// `[n, blocks]`.
    pub scales: &'a [f32],
    /// `[n, blocks]`; 8 where they are left out.
    pub zeros: Option<&'a [f32]>,
}

/// Packed weights.
#[derive(Clone, Debug)]
pub struct Nibbles {
    isa: Isa,
    k: usize,
    n: usize,
    block: usize,
    lanes: usize,
    /// `[panels, depth / 2, lanes]`.
    codes: Huge<u8>,
    /// `[panels, blocks, 2, lanes]`: scales, and what is added to a scaled code.
    lines: Huge<f32>,
}

impl Nibbles {
    /// Packs weights for products on `isa`.
    ///
    /// # Errors
    /// Where the slices do not fit the sizes, or a block is odd.
    pub fn new(isa: Isa, source: &Source<'_>) -> Result<Self, Misfit> {
        let Source { k, n, block, .. } = *source;
        if block == 0 || !block.is_multiple_of(2) {
            return Err(Misfit("the block"));
        }
        let blocks = k.div_ceil(block);
        let count = n.checked_mul(blocks).ok_or(Misfit("the weights"))?;
        let bytes = count.checked_mul(block / 2).ok_or(Misfit("the weights"))?;
        if source.codes.len() != bytes
            || source.scales.len() != count
            || source.zeros.is_some_and(|zeros| zeros.len() != count)
        {
            return Err(Misfit("the weights"));
        }
        let (_, lanes) = tile_widths(isa);
        let mut packed = Self { isa, k, n, block, lanes, codes: Huge::default(), lines: Huge::default() };
        packed.codes = packed.pack_codes(source.codes);
        packed.lines = packed.pack_lines(source);
        Ok(packed)
    }

    /// Depth.
    pub const fn k(&self) -> usize {
        self.k
    }

    /// Columns.
    pub const fn n(&self) -> usize {
        self.n
    }

    /// Bytes that the weights take.
    pub fn bytes(&self) -> usize {
        self.codes.len() + self.lines.len() * size_of::<f32>()
    }

    /// `rows` (as many as there are, `k` numbers each) times the weights, plus a bias for each column.
    ///
    /// # Errors
    /// Where lengths do not fit.
    pub fn product(&self, rows: &[f32], bias: Option<&[f32]>) -> Result<Vec<f32>, Misfit> {
        let count = rows.len().checked_div(self.k).unwrap_or(0);
        if count.checked_mul(self.k) != Some(rows.len()) {
            return Err(Misfit("the rows"));
        }
        if bias.is_some_and(|bias| bias.len() != self.n) {
            return Err(Misfit("the bias"));
        }
        let len = count.checked_mul(self.n).ok_or(Misfit("the product"))?;
        let steps = self.k.saturating_mul(GROUP * self.lanes).saturating_mul(count);
        // SAFETY: the groups make up all columns, which a task writes for every row.
        Ok(unsafe {
            filled(len, |out| {
                let out = Shared(out.as_mut_ptr().cast());
                split::ranges(self.panels().div_ceil(GROUP), steps, &|groups| {
                    let panels = groups.start * GROUP..self.panels().min(groups.end * GROUP);
                    dispatch(self.isa, Panels { weights: self, rows, count, bias, panels, out });
                });
            })
        })
    }

    const fn panels(&self) -> usize {
        self.n.div_ceil(self.lanes)
    }

    const fn blocks(&self) -> usize {
        self.k.div_ceil(self.block)
    }

    /// Pairs of depths, of which a block has whole ones.
    const fn pairs(&self) -> usize {
        self.blocks() * self.block / 2
    }

    fn pack_codes(&self, codes: &[u8]) -> Huge<u8> {
        let (pairs, lanes) = (self.pairs(), self.lanes);
        Huge::new(self.panels() * pairs * lanes, |packed| {
            for (column, codes) in codes.chunks_exact(pairs.max(1)).enumerate() {
                let start = column / lanes * pairs * lanes + column % lanes;
                for (pair, &code) in codes.iter().enumerate() {
                    packed[start + pair * lanes] = code;
                }
            }
        })
    }

    fn pack_lines(&self, source: &Source<'_>) -> Huge<f32> {
        let (blocks, lanes) = (self.blocks(), self.lanes);
        Huge::new(self.panels() * blocks * 2 * lanes, |packed| {
            for (i, &scale) in source.scales.iter().enumerate() {
                let (column, block) = (i / blocks, i % blocks);
                let at = (column / lanes * blocks + block) * 2 * lanes + column % lanes;
                let zero = source.zeros.map_or(8.0, |zeros| zeros[i]);
                packed[at] = scale;
                packed[at + lanes] = -zero * scale;
            }
        })
    }
}

/// Some panels of a product, all rows of them.
struct Panels<'a> {
    weights: &'a Nibbles,
    rows: &'a [f32],
    count: usize,
    bias: Option<&'a [f32]>,
    panels: Range<usize>,
    out: Shared<f32>,
}

impl Kernel for Panels<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        // Tiles as high as there are registers: unpacking is then shared by many rows.
        if S::LANES == 16 { self.sweep::<S, 12>(s) } else { self.sweep::<S, 8>(s) }
    }
}

impl Panels<'_> {
    #[inline(always)]
    fn sweep<S: Simd, const HIGH: usize>(&self, s: S) {
        let mut row = 0;
        while row < self.count {
            row += match self.count - row {
                left if left >= HIGH => self.tiles::<S, HIGH, 1>(s, row),
                4.. => self.tiles::<S, 4, 2>(s, row),
                _ => self.tiles::<S, 1, 4>(s, row),
            };
        }
    }

    /// `MR` rows, `NP` panels at a time; gives `MR`.
    #[inline(always)]
    fn tiles<S: Simd, const MR: usize, const NP: usize>(&self, s: S, row: usize) -> usize {
        let mut panel = self.panels.start;
        while panel < self.panels.end {
            let whole = self.panels.end - panel >= NP;
            // SAFETY: the rows and the panels are there.
            unsafe {
                if whole {
                    self.tile::<S, MR, NP>(s, row, panel)
                } else {
                    self.tile::<S, MR, 1>(s, row, panel)
                }
            }
            panel += if whole { NP } else { 1 };
        }
        MR
    }

    /// # Safety
    /// There are `MR` rows from `row` on and `NP` panels from `panel` on.
    #[inline(always)]
    unsafe fn tile<S: Simd, const MR: usize, const NP: usize>(&self, s: S, row: usize, panel: usize) {
        let Nibbles { k, block, lanes, .. } = *self.weights;
        let (pairs, blocks) = (self.weights.pairs(), self.weights.blocks());
        let from = self.rows.as_ptr().wrapping_add(row * k);
        let codes = self.weights.codes.as_ptr().wrapping_add(panel * pairs * lanes);
        let lines = self.weights.lines.as_ptr().wrapping_add(panel * blocks * 2 * lanes);
        let mut sums = [[s.splat(0.0); NP]; MR];
        for number in 0..blocks {
            let first = number * block;
            let depth = block.min(k - first);
            let (mut scales, mut shifts) = ([s.splat(0.0); NP], [s.splat(0.0); NP]);
            // SAFETY: the panels have lines for every block, codes for every pair, and the rows `k` numbers.
            unsafe {
                for (j, (scale, shift)) in scales.iter_mut().zip(&mut shifts).enumerate() {
                    let line = lines.add((j * blocks + number) * 2 * lanes);
                    (*scale, *shift) = (s.load(line), s.load(line.add(lanes)));
                }
                for at in (first..first + depth).step_by(2) {
                    let (mut low, mut high) = ([s.splat(0.0); NP], [s.splat(0.0); NP]);
                    for j in 0..NP {
                        let (a, b) = s.load_nibbles(codes.add((j * pairs + at / 2) * lanes));
                        low[j] = s.fma(a, scales[j], shifts[j]);
                        high[j] = s.fma(b, scales[j], shifts[j]);
                    }
                    add(s, &mut sums, from.add(at), k, &low);
                    if at + 1 < k {
                        add(s, &mut sums, from.add(at + 1), k, &high);
                    }
                }
            }
        }
        // SAFETY: the caller's; columns that are not there are not written.
        unsafe { self.store(s, &sums, row, panel) }
    }

    /// # Safety
    /// The rows and panels are there.
    #[inline(always)]
    unsafe fn store<S: Simd, const MR: usize, const NP: usize>(
        &self,
        s: S,
        sums: &[[S::V; NP]; MR],
        row: usize,
        panel: usize,
    ) {
        let n = self.weights.n;
        for (i, sums) in sums.iter().enumerate() {
            for (j, &sum) in sums.iter().enumerate() {
                let column = (panel + j) * S::LANES;
                let left = n.saturating_sub(column);
                // SAFETY: the caller's; `left` columns are there.
                unsafe {
                    let sum = match self.bias {
                        Some(bias) => s.add(sum, s.load_part(bias.as_ptr().wrapping_add(column), left)),
                        None => sum,
                    };
                    s.store_part(self.out.at((row + i) * n + column), left, sum);
                }
            }
        }
    }
}

/// Adds the products of one depth: of `from`, `stride` apart for each row, and `weights`.
///
/// # Safety
/// The elements of all rows are there.
#[inline(always)]
unsafe fn add<S: Simd, const MR: usize, const NP: usize>(
    s: S,
    sums: &mut [[S::V; NP]; MR],
    from: *const f32,
    stride: usize,
    weights: &[S::V; NP],
) {
    for (i, sums) in sums.iter_mut().enumerate() {
        // SAFETY: the caller's.
        let x = s.splat(unsafe { *from.add(i * stride) });
        for (sum, &weight) in sums.iter_mut().zip(weights) {
            *sum = s.fma(x, weight, *sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::Pool;

    struct Case {
        codes: Vec<u8>,
        scales: Vec<f32>,
        zeros: Vec<f32>,
        rows: Vec<f32>,
        bias: Vec<f32>,
    }

    fn case(k: usize, n: usize, block: usize, rows: usize) -> Case {
        let blocks = k.div_ceil(block);
        Case {
            codes: (0..n * blocks * block / 2).map(|i| (i * 73 + i / 7) as u8).collect(),
            scales: (0..n * blocks).map(|i| 0.01 + (i % 13) as f32 / 100.0).collect(),
            zeros: (0..n * blocks).map(|i| (i % 16) as f32).collect(),
            rows: (0..rows * k).map(|i| ((i * 37) % 101) as f32 / 50.0 - 1.0).collect(),
            bias: (0..n).map(|i| i as f32 / 8.0).collect(),
        }
    }

    impl Case {
        fn source(&self, k: usize, n: usize, block: usize, zeros: bool) -> Source<'_> {
            let zeros = zeros.then_some(&self.zeros[..]);
            Source { k, n, block, codes: &self.codes, scales: &self.scales, zeros }
        }
    }

    fn weight(source: &Source<'_>, depth: usize, column: usize) -> f64 {
        let blocks = source.k.div_ceil(source.block);
        let line = column * blocks + depth / source.block;
        let byte = source.codes[line * source.block / 2 + depth % source.block / 2];
        let code = if depth.is_multiple_of(2) { byte & 15 } else { byte >> 4 };
        let zero = source.zeros.map_or(8.0, |zeros| zeros[line]);
        (f64::from(code) - f64::from(zero)) * f64::from(source.scales[line])
    }

    #[test]
    fn products_of_every_remainder_match_the_definition() {
        for (k, n, block) in [(32, 16, 32), (40, 1, 16), (33, 70, 32), (96, 65, 16), (64, 130, 64)] {
            for rows in [1, 2, 3, 4, 9, 13, 25] {
                let case = case(k, n, block, rows);
                for zeros in [false, true] {
                    let source = case.source(k, n, block, zeros);
                    for isa in Isa::available() {
                        let packed = Nibbles::new(isa, &source).unwrap();
                        let came = packed.product(&case.rows, Some(&case.bias)).unwrap();
                        for (i, &came) in came.iter().enumerate() {
                            let (row, column) = (i / n, i % n);
                            let sum: f64 = (0..k)
                                .map(|d| f64::from(case.rows[row * k + d]) * weight(&source, d, column))
                                .sum();
                            let exact = sum + f64::from(case.bias[column]);
                            let error = (f64::from(came) - exact).abs();
                            assert!(error < 2e-4, "{isa:?} {k}x{n}/{block} {rows} [{i}]: {came} {exact}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn threads_share_the_columns() {
        let case = case(256, 600, 32, 5);
        let packed = Nibbles::new(Isa::current(), &case.source(256, 600, 32, true)).unwrap();
        let alone = packed.product(&case.rows, None).unwrap();
        let shared = Pool::new(3).unwrap().enter(|| packed.product(&case.rows, None).unwrap());
        assert_eq!(alone, shared);
        assert!(packed.bytes() < 256 * 600);
    }

    #[test]
    fn slices_that_do_not_fit_are_refused() {
        let case = case(32, 4, 16, 1);
        let fit = case.source(32, 4, 16, true);
        let packed = Nibbles::new(Isa::current(), &fit).unwrap();
        assert!(packed.product(&case.rows[1..], None).is_err());
        assert!(packed.product(&case.rows, Some(&[0.0])).is_err());
        assert_eq!(packed.product(&[], None), Ok(vec![]));
        for source in [
            Source { block: 0, ..fit },
            Source { block: 15, ..fit },
            Source { n: usize::MAX, ..fit },
            Source { codes: &[], ..fit },
            Source { scales: &[], ..fit },
            Source { zeros: Some(&[]), ..fit },
        ] {
            assert!(Nibbles::new(Isa::current(), &source).is_err());
        }
    }
}
