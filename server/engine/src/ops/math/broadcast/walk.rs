//! The walk over `N` inputs that broadcast to one output: runs of contiguous output elements, in each of
//! which every input either moves along or stands still.
//!
//! Neighbouring dimensions that all inputs treat alike are merged first, so that equal shapes are one run and
//! a bias is one run a row.

use girandole_core::Shape;

use super::shape::broadcast;
use crate::error::Result;

/// See the module.
pub(crate) struct Walk<const N: usize> {
    shape: Shape,
    /// Elements of one run.
    inner: usize,
    /// Whether each input moves along within a run.
    moves: [bool; N],
    /// The merged dimensions outside of runs, outermost first.
    outer: Vec<Dim<N>>,
}

#[derive(Clone, Copy)]
struct Dim<const N: usize> {
    size: usize,
    strides: [usize; N],
}

impl<const N: usize> Walk<N> {
    /// The walk over inputs of these shapes.
    ///
    /// # Errors
    /// `Invalid` where they do not broadcast.
    pub(crate) fn new(shapes: [&Shape; N]) -> Result<Self> {
        let shape = broadcast(&shapes)?;
        let mut dims: Vec<Dim<N>> = Vec::with_capacity(shape.len());
        let mut next = [1usize; N];
        // From the innermost dimension out, growing the last one while all inputs continue alike.
        for (from_right, &size) in shape.iter().rev().enumerate() {
            if size == 1 {
                continue;
            }
            let own = shapes.map(|s| s.len().checked_sub(from_right + 1).map_or(1, |i| s[i]));
            let strides = std::array::from_fn(|n| if own[n] == 1 { 0 } else { next[n] });
            (0..N).for_each(|n| next[n] *= own[n]);
            match dims.last_mut() {
                Some(last) if continues(last, strides) => last.size *= size,
                _ => dims.push(Dim { size, strides }),
            }
        }
        let innermost = if dims.is_empty() { None } else { Some(dims.remove(0)) };
        dims.reverse();
        Ok(Self {
            shape,
            inner: innermost.map_or(1, |dim| dim.size),
            moves: innermost.map_or([false; N], |dim| dim.strides.map(|stride| stride != 0)),
            outer: dims,
        })
    }

    /// The shape of the output.
    pub(crate) const fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Whether each input moves along within a run.
    pub(crate) const fn moves(&self) -> [bool; N] {
        self.moves
    }

    /// Cuts `out`, whose first element is element `start` of the output, into runs; `body` gets each with
    /// the place in every input that belongs to its first element.
    pub(crate) fn runs<T>(&self, start: usize, out: &mut [T], mut body: impl FnMut(&mut [T], [usize; N])) {
        if out.is_empty() {
            return;
        }
        let mut cursor = Cursor::new(&self.outer, start / self.inner);
        let mut column = start % self.inner;
        let mut rest = out;
        while !rest.is_empty() {
            let (run, tail) = rest.split_at_mut((self.inner - column).min(rest.len()));
            let at = std::array::from_fn(|n| cursor.at[n] + if self.moves[n] { column } else { 0 });
            body(run, at);
            rest = tail;
            column = 0;
            cursor.advance(&self.outer);
        }
    }
}

/// Whether the dimension outside of `inner` is its continuation for every input.
fn continues<const N: usize>(inner: &Dim<N>, outer: [usize; N]) -> bool {
    inner.strides.iter().zip(outer).all(|(&inner_stride, outer)| match inner_stride {
        0 => outer == 0,
        stride => outer == stride * inner.size,
    })
}

/// The place of a row in every input.
struct Cursor<const N: usize> {
    index: Vec<usize>,
    at: [usize; N],
}

impl<const N: usize> Cursor<N> {
    fn new(dims: &[Dim<N>], mut row: usize) -> Self {
        let mut cursor = Self { index: vec![0; dims.len()], at: [0; N] };
        for (index, dim) in cursor.index.iter_mut().zip(dims).rev() {
            *index = row % dim.size;
            row /= dim.size;
            (0..N).for_each(|n| cursor.at[n] += *index * dim.strides[n]);
        }
        cursor
    }

    fn advance(&mut self, dims: &[Dim<N>]) {
        for (index, dim) in self.index.iter_mut().zip(dims).rev() {
            *index += 1;
            (0..N).for_each(|n| self.at[n] += dim.strides[n]);
            if *index < dim.size {
                return;
            }
            (0..N).for_each(|n| self.at[n] -= *index * dim.strides[n]);
            *index = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Where element `i` of `out` lies in an input of shape `own`, by the definition.
    fn place(out: &[usize], own: &[usize], mut i: usize) -> usize {
        let (mut at, mut stride) = (0, 1);
        for (from_right, &size) in out.iter().rev().enumerate() {
            let index = i % size;
            i /= size;
            if let Some(&own) = own.len().checked_sub(from_right + 1).and_then(|d| own.get(d)) {
                at += if own == 1 { 0 } else { index * stride };
                stride *= own;
            }
        }
        at
    }

    proptest! {
        #[test]
        fn every_element_is_where_the_definition_says(
            dims in prop::collection::vec((1usize..4, any::<bool>(), any::<bool>()), 0..5),
            cut in 0usize..3,
            start in 0usize..5,
        ) {
            let a: Shape = dims.iter().map(|&(size, ones, _)| if ones { 1 } else { size }).collect();
            let b: Shape = dims.iter().skip(cut).map(|&(size, _, ones)| if ones { 1 } else { size }).collect();
            let walk = Walk::new([&a, &b]).unwrap();
            let len = walk.shape().elements().unwrap();
            let start = start.min(len);
            let mut out = vec![(0, 0); len - start];
            walk.runs(start, &mut out, |run, [a, b]| {
                let [a_moves, b_moves] = walk.moves();
                for (i, to) in run.iter_mut().enumerate() {
                    *to = (a + i * usize::from(a_moves), b + i * usize::from(b_moves));
                }
            });
            for (i, came) in out.into_iter().enumerate() {
                let i = i + start;
                prop_assert_eq!(came, (place(walk.shape(), &a, i), place(walk.shape(), &b, i)));
            }
        }
    }

    #[test]
    fn alike_dimensions_make_one_run() {
        let shape = |dims: &[usize]| Shape::new(dims);
        for (a, b, inner, outer) in [
            (shape(&[2, 3, 4]), shape(&[2, 3, 4]), 24, 0),
            (shape(&[2, 3, 4]), shape(&[]), 24, 0),
            (shape(&[2, 3, 4]), shape(&[4]), 4, 1),
            (shape(&[2, 3, 4, 5]), shape(&[3, 1, 1]), 20, 2),
        ] {
            let walk = Walk::new([&a, &b]).unwrap();
            assert_eq!((walk.inner, walk.outer.len()), (inner, outer), "{a} {b}");
        }
    }
}
