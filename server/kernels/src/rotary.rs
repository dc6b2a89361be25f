//! Rotary position embedding (Su et al. 2021, "RoFormer", <https://arxiv.org/abs/2104.09864>) of heads whose
//! pairs lie half a row apart: `x * cos + (-x[half..], x[..half]) * sin`.

use std::ops::Range;

use crate::{
    Misfit,
    attention::{Heads, reaches},
    buffer::{Shared, filled},
    isa::Isa,
    pieces::pieces,
    simd::{Kernel, Simd, Spans, dispatch},
};

/// Elements worth a task of their own.
const TASK: usize = 16 * 1024;

/// A factor for every element of heads.
#[derive(Clone, Copy, Debug)]
pub struct Factors<'a> {
    /// Rows of factors.
    pub data: &'a [f32],
    /// Elements from one sequence, head and row to the next: 0 where one row is for all of them.
    pub strides: [usize; 3],
}

/// Heads to turn.
#[derive(Clone, Copy, Debug)]
pub struct Rotary<'a> {
    /// Sequences, heads, rows and columns, of which there are twice as many as pairs.
    pub sizes: [usize; 4],
    /// The heads.
    pub heads: Heads<'a>,
    /// The cosines.
    pub cos: Factors<'a>,
    /// The sines.
    pub sin: Factors<'a>,
}

impl Rotary<'_> {
    /// The turned heads, `[batch, heads, rows, columns]`.
    ///
    /// # Errors
    /// Where the sizes do not fit the slices, or the columns are odd.
    pub fn compute(&self) -> Result<Vec<f32>, Misfit> {
        self.with(Isa::current())
    }

    fn with(&self, isa: Isa) -> Result<Vec<f32>, Misfit> {
        let [batch, heads, rows, columns] = self.sizes;
        let len = self.sizes.iter().try_fold(1usize, |len, &size| len.checked_mul(size));
        let len = len.ok_or(Misfit("the heads"))?;
        if len == 0 {
            return Ok(Vec::new());
        }
        let Heads { data, start, batch: by_batch, head, row } = self.heads;
        if !columns.is_multiple_of(2) || !reaches(data.len(), start, self.sizes, [by_batch, head, row, 1]) {
            return Err(Misfit("the heads"));
        }
        if !self.cos.reaches(self.sizes) || !self.sin.reaches(self.sizes) {
            return Err(Misfit("the angles"));
        }
        // SAFETY: the pieces make up all rows of all heads, each of which is written whole.
        Ok(unsafe {
            filled(len, |out| {
                let out = Shared(out.as_mut_ptr().cast());
                pieces(batch * heads * rows, TASK.div_ceil(columns), &|range| {
                    dispatch(isa, Rows { rotary: self, range, out });
                });
            })
        })
    }
}

impl Factors<'_> {
    fn reaches(&self, sizes: [usize; 4]) -> bool {
        let [batch, head, row] = self.strides;
        reaches(self.data.len(), 0, sizes, [batch, head, row, 1])
    }

    /// The row of factors of a row of heads; within the slice for one of the sizes.
    #[inline(always)]
    fn at(&self, [batch, head, row]: [usize; 3]) -> *const f32 {
        let [by_batch, by_head, by_row] = self.strides;
        self.data.as_ptr().wrapping_add(batch * by_batch + head * by_head + row * by_row)
    }
}

/// Some rows of the heads, one head after the other.
struct Rows<'a> {
    rotary: &'a Rotary<'a>,
    range: Range<usize>,
    out: Shared<f32>,
}

impl Kernel for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let Rotary { sizes: [_, heads, rows, columns], heads: from, cos, sin } = *self.rotary;
        for i in self.range.clone() {
            let place = [i / rows / heads, i / rows % heads, i % rows];
            let [batch, head, row] = place;
            let at = from.start + batch * from.batch + head * from.head + row * from.row;
            // SAFETY: `with` saw to it that the row and its factors lie within their slices; the row of the
            // output belongs to this piece alone.
            unsafe {
                let from = from.data.as_ptr().add(at);
                turn(s, from, cos.at(place), sin.at(place), self.out.at(i * columns), columns / 2);
            }
        }
    }
}

/// # Safety
/// Twice `half` elements may be read from `from`, `cos` and `sin` and written to `to`.
#[inline(always)]
unsafe fn turn<S: Simd>(s: S, from: *const f32, cos: *const f32, sin: *const f32, to: *mut f32, half: usize) {
    for (at, left) in Spans::of(s, half) {
        // SAFETY: `left` elements are there from `at` on, and as many `half` further on.
        unsafe {
            let (a, b) = (s.load_part(from.add(at), left), s.load_part(from.add(half + at), left));
            let first = s.mul(a, s.load_part(cos.add(at), left));
            let second = s.mul(b, s.load_part(cos.add(half + at), left));
            let first = s.fnma(b, s.load_part(sin.add(at), left), first);
            let second = s.fma(a, s.load_part(sin.add(half + at), left), second);
            s.store_part(to.add(at), left, first);
            s.store_part(to.add(half + at), left, second);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(len: usize, seed: usize) -> Vec<f32> {
        (0..len).map(|i| ((i * 37 + seed * 11) % 101) as f32 / 50.0 - 1.0).collect()
    }

    fn exact(rotary: &Rotary<'_>, [b, h, r, c]: [usize; 4]) -> f64 {
        let half = rotary.sizes[3] / 2;
        let Heads { data, start, batch, head, row } = rotary.heads;
        let x = |c: usize| f64::from(data[start + b * batch + h * head + r * row + c]);
        let factor = |factors: &Factors<'_>| {
            let [batch, head, row] = factors.strides;
            f64::from(factors.data[b * batch + h * head + r * row + c])
        };
        let other = if c < half { -x(c + half) } else { x(c - half) };
        x(c) * factor(&rotary.cos) + other * factor(&rotary.sin)
    }

    #[test]
    fn heads_where_they_lie_match_the_definition() {
        for columns in [2, 6, 32, 34, 64, 128] {
            let sizes = [2, 3, 5, columns];
            let (data, cos, sin) =
                (values(2 * 5 * 3 * columns + 1, 1), values(2 * 5 * columns, 2), values(5 * columns, 3));
            // Heads side by side in rows, as projections leave them.
            let heads = Heads { data: &data, start: 1, batch: 15 * columns, head: columns, row: 3 * columns };
            let rotary = Rotary {
                sizes,
                heads,
                cos: Factors { data: &cos, strides: [5 * columns, 0, columns] },
                sin: Factors { data: &sin, strides: [0, 0, columns] },
            };
            for isa in Isa::available() {
                for (i, came) in rotary.with(isa).unwrap().into_iter().enumerate() {
                    let row = i / columns;
                    let exact = exact(&rotary, [row / 15, row / 5 % 3, row % 5, i % columns]);
                    assert!((f64::from(came) - exact).abs() < 1e-6, "{isa:?} {columns} {i}: {came} {exact}");
                }
            }
        }
    }

    #[test]
    fn slices_that_are_too_short_are_refused() {
        let data = [0.0; 24];
        let factors = Factors { data: &data, strides: [0, 0, 4] };
        let heads = Heads { data: &data, start: 0, batch: 24, head: 12, row: 4 };
        let fit = Rotary { sizes: [1, 2, 3, 4], heads, cos: factors, sin: factors };
        assert!(fit.compute().is_ok());
        assert!(Rotary { sizes: [1, 2, 3, 3], ..fit }.compute().is_err());
        assert!(Rotary { sizes: [1, 3, 3, 4], ..fit }.compute().is_err());
        assert!(Rotary { sin: Factors { data: &data[..11], ..factors }, ..fit }.compute().is_err());
        assert_eq!(Rotary { sizes: [0, 3, 3, 4], ..fit }.compute(), Ok(vec![]));
        assert!(Rotary { sizes: [usize::MAX, 3, 3, 4], ..fit }.compute().is_err());
    }
}
