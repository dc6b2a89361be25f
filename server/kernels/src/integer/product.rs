//! The product: tiles over the pool's threads, zero points taken out, results written once in the type that
//! the caller makes of the sums.

use std::ops::Range;

use super::{
    COLUMNS, Left, PANELS, ROWS, Right, WIDTH,
    right::STEP,
    tile::{Kernel, Sums, Tile},
};
use crate::{isa::Isa, pool};

/// Multiplications that are worth a task of their own.
const WORTHWHILE: usize = 1 << 20;
/// Tasks for each thread, so that one that is held up delays little.
const SHARE: usize = 3;

/// The zero points of an operand: of all, or of each of the left one's rows or the right one's columns.
#[derive(Clone, Copy, Debug)]
pub enum Zeros<'a> {
    /// One for all.
    One(i32),
    /// One for each.
    Each(&'a [i32]),
}

impl Zeros<'_> {
    fn at(self, i: usize) -> i32 {
        match self {
            Self::One(zero) => zero,
            Self::Each(zeros) => zeros.get(i).copied().unwrap_or(0),
        }
    }

    const fn fits(self, len: usize) -> bool {
        match self {
            Self::One(_) => true,
            Self::Each(zeros) => zeros.len() == len,
        }
    }
}

/// In which order the results lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Into {
    /// Row after row.
    Rows,
    /// Column after column.
    Columns,
}

/// The results of a product whose sums are `i32`; `None` where sizes do not fit.
pub fn sums(left: (&Left<'_>, Zeros<'_>), right: (&Right, Zeros<'_>), into: Into) -> Option<Vec<i32>> {
    product(left, right, into, |_, sums, to| to.copy_from_slice(sums))
}

/// The results of a product; `finish` makes them of the sums of neighbouring columns of one row, and gets
/// the row and the first column. `None` where sizes do not fit.
pub fn product<T: Copy + Default + Send>(
    left: (&Left<'_>, Zeros<'_>),
    right: (&Right, Zeros<'_>),
    into: Into,
    finish: impl Fn((usize, usize), &[i32], &mut [T]) + Sync,
) -> Option<Vec<T>> {
    product_on(Isa::current(), left, right, into, finish)
}

pub(super) fn product_on<T: Copy + Default + Send>(
    isa: Isa,
    (left, left_zeros): (&Left<'_>, Zeros<'_>),
    (right, right_zeros): (&Right, Zeros<'_>),
    into: Into,
    finish: impl Fn((usize, usize), &[i32], &mut [T]) + Sync,
) -> Option<Vec<T>> {
    let fits = left.depth == right.depth
        && left_zeros.fits(left.rows)
        && right_zeros.fits(right.columns)
        && left.data.len() == left.rows.checked_mul(left.stride())?;
    if !fits {
        return None;
    }
    let len = left.rows.checked_mul(right.columns)?;
    let job = Job::new(isa, (left, left_zeros), (right, right_zeros));
    let mut out = Vec::with_capacity(len);
    job.run(&Target { start: out.as_mut_ptr(), rows: left.rows, columns: right.columns, into }, &finish);
    // SAFETY: the capacity is `len`, and the tasks' blocks, which make up all rows and columns, are written.
    unsafe { out.set_len(len) };
    Some(out)
}

/// Memory that tasks write disjoint places of.
struct Target<T> {
    start: *mut T,
    rows: usize,
    columns: usize,
    into: Into,
}

// SAFETY: it is written only through `put`, whose callers write disjoint places.
unsafe impl<T: Send> Sync for Target<T> {}

impl<T: Copy> Target<T> {
    /// Writes neighbouring columns of a row.
    ///
    /// # Safety
    /// Row and columns are within the output, and nobody else writes them.
    #[inline(always)]
    unsafe fn put(&self, row: usize, column: usize, from: &[T]) {
        match self.into {
            // SAFETY: the caller's; a row's columns lie side by side.
            Into::Rows => unsafe {
                let to = self.start.add(row * self.columns + column);
                to.copy_from_nonoverlapping(from.as_ptr(), from.len());
            },
            Into::Columns => {
                for (i, &value) in from.iter().enumerate() {
                    // SAFETY: the caller's; column `c` begins at `c * rows`.
                    unsafe { self.start.add((column + i) * self.rows + row).write(value) };
                }
            }
        }
    }
}

/// A product with what its corrections need.
struct Job<'a> {
    left: &'a Left<'a>,
    right: &'a Right,
    left_zeros: Zeros<'a>,
    right_zeros: Zeros<'a>,
    /// For each column its sum less depth times its zero point.
    tilts: Vec<i32>,
    /// The sums of the left rows, where a right zero point is not 0.
    left_sums: Vec<i32>,
    kernel: Kernel,
}

impl<'a> Job<'a> {
    fn new(
        isa: Isa,
        (left, left_zeros): (&'a Left<'a>, Zeros<'a>),
        (right, right_zeros): (&'a Right, Zeros<'a>),
    ) -> Self {
        let zero = |column| right_zeros.at(column).wrapping_add(right.offset);
        // A depth beyond `i32` wraps, as every sum does.
        let depth = left.depth as i32;
        let tilts = right.sums.iter().enumerate();
        let tilts = tilts.map(|(j, sum)| sum.wrapping_sub(depth.wrapping_mul(zero(j)))).collect();
        let plain = (0..right.columns).all(|column| zero(column) == 0);
        let left_sums = if plain { Vec::new() } else { left.sums() };
        Self { left, right, left_zeros, right_zeros, tilts, left_sums, kernel: Kernel::of(isa) }
    }

    fn run<T: Copy + Default + Send>(
        &self,
        target: &Target<T>,
        finish: &(impl Fn((usize, usize), &[i32], &mut [T]) + Sync),
    ) {
        let (rows, groups) = (self.left.rows, self.right.columns.div_ceil(WIDTH));
        let steps = rows.saturating_mul(self.left.depth).saturating_mul(self.right.columns);
        let wanted = (steps / WORTHWHILE).min(pool::threads() * SHARE);
        let shares = if wanted < 2 { 1 } else { wanted.div_ceil(groups.max(1)).min(rows.div_ceil(ROWS)) };
        let share = rows.div_ceil(shares.max(1)).next_multiple_of(ROWS);
        let block = |task: usize| {
            let first = task / groups * share;
            self.block(first..rows.min(first + share), task % groups, target, finish);
        };
        let tasks = groups * rows.div_ceil(share.max(1));
        if wanted < 2 {
            (0..tasks).for_each(block);
        } else {
            pool::run(tasks, &block);
        }
    }

    /// Some rows of the columns of one group of panels.
    fn block<T: Copy + Default>(
        &self,
        rows: Range<usize>,
        group: usize,
        target: &Target<T>,
        finish: &impl Fn((usize, usize), &[i32], &mut [T]),
    ) {
        let (column, steps) = (group * WIDTH, self.right.steps());
        let width = WIDTH.min(self.right.columns - column);
        let panels = width.div_ceil(COLUMNS);
        let from = group * PANELS * steps * STEP;
        let right = &self.right.data[from..from + panels * steps * STEP];
        let mut sums: Sums = [[0; WIDTH]; ROWS];
        for row in rows.clone().step_by(ROWS) {
            let count = ROWS.min(rows.end - row);
            let left = &self.left.data[row * self.left.stride()..];
            if let Some(tile) = Tile::new((left, self.left.stride(), count), (right, panels, steps)) {
                tile.run(self.kernel, &mut sums);
            }
            for (i, sums) in sums.iter_mut().enumerate().take(count) {
                // SAFETY: rows and columns are of this task alone, and within the output.
                unsafe { self.finish((row + i, column), &mut sums[..width], target, finish) };
            }
        }
    }

    /// Takes the zero points out of a row's sums and writes what becomes of them.
    ///
    /// # Safety
    /// As [`Target::put`].
    unsafe fn finish<T: Copy + Default>(
        &self,
        place: (usize, usize),
        sums: &mut [i32],
        target: &Target<T>,
        finish: &impl Fn((usize, usize), &[i32], &mut [T]),
    ) {
        match self.kernel {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the kernel was chosen because the processor has AVX-512 F; the rest is the caller's.
            Kernel::Avx512 => unsafe { self.finish_avx512(place, sums, target, finish) },
            // SAFETY: the caller's.
            _ => unsafe { self.finish_any(place, sums, target, finish) },
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    unsafe fn finish_avx512<T: Copy + Default>(
        &self,
        place: (usize, usize),
        sums: &mut [i32],
        target: &Target<T>,
        finish: &impl Fn((usize, usize), &[i32], &mut [T]),
    ) {
        // SAFETY: the caller's.
        unsafe { self.finish_any(place, sums, target, finish) };
    }

    #[inline(always)]
    unsafe fn finish_any<T: Copy + Default>(
        &self,
        (row, column): (usize, usize),
        sums: &mut [i32],
        target: &Target<T>,
        finish: &impl Fn((usize, usize), &[i32], &mut [T]),
    ) {
        self.correct(row, column, sums);
        let mut made = [T::default(); WIDTH];
        let made = &mut made[..sums.len()];
        finish((row, column), sums, made);
        // SAFETY: the caller's.
        unsafe { target.put(row, column, made) };
    }

    #[inline(always)]
    fn correct(&self, row: usize, column: usize, sums: &mut [i32]) {
        let zero = self.left_zeros.at(row).wrapping_add(self.left.offset);
        if zero != 0 {
            for (sum, tilt) in sums.iter_mut().zip(&self.tilts[column..]) {
                *sum = sum.wrapping_sub(zero.wrapping_mul(*tilt));
            }
        }
        let Some(&total) = self.left_sums.get(row) else { return };
        for (i, sum) in sums.iter_mut().enumerate() {
            let zero = self.right_zeros.at(column + i).wrapping_add(self.right.offset);
            *sum = sum.wrapping_sub(total.wrapping_mul(zero));
        }
    }
}
