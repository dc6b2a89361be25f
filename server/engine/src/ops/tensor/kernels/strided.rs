//! Copies a strided view of a tensor into a compact one: transposes, slices, broadcasts.
//!
//! Neighbouring dimensions that lie in one run are merged first, so most walks end as memory copies; the
//! innermost two dimensions are done as a tile, which keeps a transpose within the cache.

use girandole_kernels::pool;

use crate::{
    error::{OpError, Result},
    ops::tensor::shapes,
    value::{Element, Tensor, checked_len, dispatch},
};

/// Which elements to read, in row-major order of `shape`.
#[derive(Clone, Debug)]
pub struct Walk {
    /// The shape of the result.
    pub shape: Vec<usize>,
    /// Elements of the source between neighbours along each dimension; 0 repeats, negative goes back.
    pub strides: Vec<isize>,
    /// The first element.
    pub start: usize,
}

impl Walk {
    /// Every element of a tensor in order, under a shape of as many.
    pub(crate) fn whole(shape: &[usize]) -> Self {
        let strides = shapes::strides(shape).into_iter().map(usize::cast_signed).collect();
        Self { shape: shape.to_vec(), strides, start: 0 }
    }
}

/// Elements along each side of a tile.
const TILE: usize = 32;
/// Elements that are worth a task of their own.
const TASK: usize = 1 << 16;

/// The tensor that `walk` reads from `tensor`.
///
/// # Errors
/// `TooLarge` for too large a result, `Invalid` where the walk leaves the tensor.
pub(in crate::ops::tensor) fn strided(tensor: &Tensor, walk: Walk) -> Result<Tensor> {
    tensor.moved(|tensor| {
        dispatch!(tensor.elem(), Any, T => {
            let data = copy(&tensor.view::<T>()?, &walk)?;
            Tensor::from_vec(walk.shape, data)
        })
    })
}

fn copy<T: Element>(source: &[T], walk: &Walk) -> Result<Vec<T>> {
    let len = checked_len::<T>(&walk.shape)?;
    if len == 0 {
        return Ok(Vec::new());
    }
    check_bounds(walk, source.len())?;
    let (outer, tile) = split(merged(walk));
    let mut out = vec![T::default(); len];
    let start = walk.start.cast_signed();
    let tiles_per_task = (TASK / tile.len()).max(1);
    let fill = |task: usize, part: &mut [T]| {
        let mut odometer = Odometer::at(&outer, task * tiles_per_task, start);
        for rows in part.chunks_exact_mut(tile.len()) {
            tile.fill(source, odometer.offset, rows);
            odometer.advance();
        }
    };
    pool::chunks(&mut out, tiles_per_task * tile.len(), fill);
    Ok(out)
}

/// The walk must stay within the source: the first and last elements it reads bound all others.
fn check_bounds(walk: &Walk, len: usize) -> Result<()> {
    let outside = || OpError::invalid("a copy reads outside its tensor");
    let (mut low, mut high) = (walk.start.cast_signed(), walk.start.cast_signed());
    for (&dim, &stride) in walk.shape.iter().zip(&walk.strides) {
        let reach = stride.checked_mul((dim - 1).cast_signed()).ok_or_else(outside)?;
        let end = if reach < 0 { &mut low } else { &mut high };
        *end = end.checked_add(reach).ok_or_else(outside)?;
    }
    if low < 0 || high >= len.cast_signed() { Err(outside()) } else { Ok(()) }
}

type Axis = (usize, isize);

/// The walk's dimensions without those of size 1, neighbours merged where one continues the other.
fn merged(walk: &Walk) -> Vec<Axis> {
    let mut axes: Vec<Axis> = Vec::with_capacity(walk.shape.len());
    for (&dim, &stride) in walk.shape.iter().zip(&walk.strides).filter(|&(&dim, _)| dim != 1) {
        match axes.last_mut() {
            Some((outer, outer_stride)) if *outer_stride == stride * dim.cast_signed() => {
                *outer *= dim;
                *outer_stride = stride;
            }
            _ => axes.push((dim, stride)),
        }
    }
    axes
}

/// The innermost dimensions as a tile, and those around it.
fn split(mut axes: Vec<Axis>) -> (Vec<Axis>, Tile) {
    let (columns, column_stride) = axes.pop().unwrap_or((1, 1));
    let (rows, row_stride) = if column_stride == 1 { (1, 0) } else { axes.pop().unwrap_or((1, 0)) };
    (axes, Tile { rows, row_stride, columns, column_stride })
}

#[derive(Clone, Copy)]
struct Tile {
    rows: usize,
    row_stride: isize,
    columns: usize,
    column_stride: isize,
}

impl Tile {
    const fn len(&self) -> usize {
        self.rows * self.columns
    }

    fn fill<T: Clone>(&self, source: &[T], base: isize, out: &mut [T]) {
        let base = base.cast_unsigned();
        match self.column_stride {
            1 => out.clone_from_slice(&source[base..base + self.columns]),
            0 => {
                for (r, row) in out.chunks_exact_mut(self.columns).enumerate() {
                    row.fill(source[base.wrapping_add_signed(r.cast_signed() * self.row_stride)].clone());
                }
            }
            _ => self.turn(source, base, out),
        }
    }

    fn turn<T: Clone>(&self, source: &[T], base: usize, out: &mut [T]) {
        for first_row in (0..self.rows).step_by(TILE) {
            for first in (0..self.columns).step_by(TILE) {
                let end = self.columns.min(first + TILE);
                for r in first_row..self.rows.min(first_row + TILE) {
                    let row = base.wrapping_add_signed(r.cast_signed() * self.row_stride);
                    let targets = &mut out[r * self.columns + first..r * self.columns + end];
                    for (c, target) in (first..end).zip(targets) {
                        let at = row.wrapping_add_signed(c.cast_signed() * self.column_stride);
                        target.clone_from(&source[at]);
                    }
                }
            }
        }
    }
}

/// The offset of the current tile, counted up along the outer dimensions.
struct Odometer<'a> {
    axes: &'a [Axis],
    index: Vec<usize>,
    offset: isize,
}

impl<'a> Odometer<'a> {
    fn at(axes: &'a [Axis], mut tile: usize, start: isize) -> Self {
        let mut index = vec![0; axes.len()];
        let mut offset = start;
        for (i, &(dim, stride)) in index.iter_mut().zip(axes).rev() {
            *i = tile % dim;
            tile /= dim;
            offset += i.cast_signed() * stride;
        }
        Self { axes, index, offset }
    }

    fn advance(&mut self) {
        for (i, &(dim, stride)) in self.index.iter_mut().zip(self.axes).rev() {
            *i += 1;
            self.offset += stride;
            if *i < dim {
                return;
            }
            self.offset -= dim.cast_signed() * stride;
            *i = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One element at a time, by the definition.
    fn naive(source: &[i64], walk: &Walk) -> Vec<i64> {
        let len: usize = walk.shape.iter().product();
        let place = |mut position: usize| {
            let mut offset = walk.start.cast_signed();
            for (&dim, &stride) in walk.shape.iter().zip(&walk.strides).rev() {
                offset += (position % dim).cast_signed() * stride;
                position /= dim;
            }
            offset.cast_unsigned()
        };
        (0..len).map(|position| source[place(position)]).collect()
    }

    fn walks() -> impl Strategy<Value = Walk> {
        proptest::collection::vec((1usize..40, -3isize..50), 0..4).prop_map(|axes| {
            let back: isize = axes.iter().map(|&(dim, stride)| (dim - 1).cast_signed() * stride.min(0)).sum();
            Walk {
                shape: axes.iter().map(|axis| axis.0).collect(),
                strides: axes.iter().map(|axis| axis.1).collect(),
                start: back.unsigned_abs(),
            }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_walk_reads_what_its_definition_says(walk in walks()) {
            let source: Vec<i64> = (0..10_000).collect();
            prop_assert_eq!(copy(&source, &walk).unwrap(), naive(&source, &walk));
        }
    }

    #[test]
    fn a_walk_outside_its_source_is_an_error() {
        let walk = |start, stride| Walk { shape: vec![3], strides: vec![stride], start };
        assert!(copy(&[1u8, 2, 3], &walk(0, 1)).is_ok());
        assert!(copy(&[1u8, 2, 3], &walk(1, 1)).is_err());
        assert!(copy(&[1u8, 2, 3], &walk(1, -1)).is_err());
        assert!(copy(&[1u8, 2, 3], &walk(0, isize::MAX)).is_err());
    }
}
