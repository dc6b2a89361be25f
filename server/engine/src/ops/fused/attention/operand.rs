//! Heads in the tensor that a projection left, and how the heads of queries, keys and values fit together.

use girandole_kernels::attention::{Heads, Sizes};
use smallvec::SmallVec;

use crate::error::{OpError, Result};

/// An axis of heads as a part of an axis of the tensor that holds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Axis {
    /// The tensor's axis.
    pub(crate) axis: usize,
    /// Places of that axis from one index to the next.
    pub(crate) inner: usize,
    /// Indices; `None` for all of the tensor's axis.
    pub(crate) size: Option<usize>,
}

/// Where heads lie in a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operand {
    /// Batch, head, row and column; one that is left out has one index. Columns lie side by side.
    pub(crate) axes: [Option<Axis>; 4],
    /// The tensor's axes whose first places are others', and how many those are.
    pub(crate) starts: SmallVec<[(usize, usize); 2]>,
    /// The neighbouring heads that each of these is.
    pub(crate) repeat: usize,
}

/// An operand in a tensor of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Indices of batch, head, row and column; heads without those that they repeat for.
    pub(crate) sizes: [usize; 4],
    /// Elements from one index to the next; 0 where there is one.
    pub(crate) strides: [usize; 4],
    pub(crate) start: usize,
    pub(crate) repeat: usize,
}

impl Operand {
    pub(crate) fn place(&self, shape: &[usize]) -> Result<Place> {
        let stride_of = |axis: usize| -> Result<usize> {
            let inside = shape.get(axis + 1..).ok_or_else(|| OpError::invalid("heads lack an axis"))?;
            product(inside.iter().copied())
        };
        let (mut sizes, mut strides) = ([1; 4], [0; 4]);
        for (i, axis) in self.axes.iter().enumerate() {
            let &Some(Axis { axis, inner, size }) = axis else { continue };
            let stride = stride_of(axis)?;
            sizes[i] = size.unwrap_or(shape[axis]);
            strides[i] = if sizes[i] == 1 { 0 } else { product([stride, inner])? };
        }
        let mut start = 0usize;
        for &(axis, places) in &self.starts {
            start = start.saturating_add(product([stride_of(axis)?, places])?);
        }
        Ok(Place { sizes, strides, start, repeat: self.repeat })
    }
}

impl Place {
    /// Indices of batch, head, row and column.
    pub(in crate::ops::fused) const fn sizes(&self) -> [usize; 4] {
        let [batch, _, rows, columns] = self.sizes;
        [batch, self.all_heads(), rows, columns]
    }

    /// The heads in the tensor's elements.
    pub(in crate::ops::fused) const fn heads<'a>(&self, data: &'a [f32]) -> Heads<'a> {
        let [batch, head, row, _] = self.strides;
        Heads { data, start: self.start, batch, head, row }
    }

    const fn all_heads(&self) -> usize {
        self.sizes[1].saturating_mul(self.repeat)
    }
}

/// The sizes of queries, keys, values and mask together, which broadcast as those of products and sums do.
///
/// # Errors
/// `Invalid` where they do not.
pub(crate) fn sizes([query, key, value]: &[Place; 3], mask: [usize; 4]) -> Result<Sizes> {
    let all = [query, key, value];
    let joined = || {
        if query.sizes[3] != key.sizes[3] {
            return None;
        }
        let key_heads = join([key.sizes[1], value.sizes[1]])?;
        let heads = all.map(Place::all_heads);
        Some(Sizes {
            batch: join(all.map(|place| place.sizes[0]).into_iter().chain([mask[0]]))?,
            heads: join(heads.into_iter().chain([mask[1]]))?,
            key_heads,
            queries: join([query.sizes[2], mask[2]])?,
            keys: join([key.sizes[2], value.sizes[2]]).filter(|&keys| join([keys, mask[3]]) == Some(keys))?,
            depth: query.sizes[3],
            width: value.sizes[3],
        })
    };
    joined().ok_or_else(|| {
        OpError::invalid(format!(
            "queries {}, keys {} and values {} (batch x heads x rows x columns) and a mask of {mask:?} do not \
             fit each other",
            query.describe(),
            key.describe(),
            value.describe()
        ))
    })
}

impl Place {
    fn describe(&self) -> String {
        let [batch, _, rows, columns] = self.sizes;
        format!("{batch}x{}x{rows}x{columns}", self.all_heads())
    }
}

/// The size that all of these broadcast to.
pub(in crate::ops::fused) fn join(sizes: impl IntoIterator<Item = usize>) -> Option<usize> {
    let mut all = 1;
    for size in sizes {
        match (all, size) {
            (_, 1) => {}
            (1, size) => all = size,
            (all, size) if all == size => {}
            _ => return None,
        }
    }
    Some(all)
}

fn product(factors: impl IntoIterator<Item = usize>) -> Result<usize> {
    let all = factors.into_iter().try_fold(1usize, usize::checked_mul);
    all.ok_or_else(|| OpError::invalid("heads are too large"))
}
