//! Which scale and zero point belong to an element: one for all, one an index of an axis, or one a block.

use girandole_core::Shape;

use crate::{
    error::{OpError, Result},
    onnx::NodeDef,
    ops::math::axes::index,
};

/// The attributes that choose.
#[derive(Clone, Copy, Debug)]
pub(super) struct Granularity {
    axis: i64,
    /// Elements of a block along the axis; 0 for one scale an index.
    block: usize,
}

impl Granularity {
    pub(super) fn parse(node: &NodeDef<'_>) -> Result<Self> {
        let block = node.int_or("block_size", 0)?;
        let block = usize::try_from(block)
            .map_err(|_| OpError::invalid(format!("block_size must not be negative, got {block}")))?;
        Ok(Self { axis: node.int_or("axis", 1)?, block })
    }

    /// Where the scales of a tensor of `shape` lie, when they have shape `scale`.
    ///
    /// # Errors
    /// `Invalid` where they do not fit.
    pub(super) fn grid(self, shape: &Shape, scale: &Shape) -> Result<Grid> {
        if scale.elements() == Some(1) && self.block == 0 {
            return Ok(Grid::Single);
        }
        let axis = index(self.axis, shape.len())?;
        let (len, inner) = (shape[axis], shape[axis + 1..].iter().product());
        let fit = if self.block == 0 {
            (scale.elements() == Some(len)).then_some(Grid::Axis { inner, len })
        } else {
            let blocks = len.div_ceil(self.block);
            let size = |(i, &size)| if i == axis { blocks } else { size };
            let expected: Shape = shape.iter().enumerate().map(size).collect();
            (*scale == expected).then_some(Grid::Blocks { inner, len, block: self.block, blocks })
        };
        fit.ok_or_else(|| {
            OpError::invalid(format!("scales of shape {scale} do not fit axis {axis} of a tensor of {shape}"))
        })
    }
}

/// See [`Granularity::grid`]. `inner` elements lie between neighbours on the axis, `len` along it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Grid {
    /// One scale for all.
    Single,
    /// One an index of the axis.
    Axis { inner: usize, len: usize },
    /// One for each `block` elements along the axis, of which there are `blocks`.
    Blocks { inner: usize, len: usize, block: usize, blocks: usize },
}

impl Grid {
    /// The place of the scale of element `i`.
    pub(super) const fn place(&self, i: usize) -> usize {
        match *self {
            Self::Single => 0,
            Self::Axis { inner, len } => i / inner % len,
            Self::Blocks { inner, len, block, blocks } => {
                let (outer, along) = (i / inner / len, i / inner % len);
                (outer * blocks + along / block) * inner + i % inner
            }
        }
    }

    /// How many elements from `i` on have its scale, at least 1.
    pub(super) fn alike(&self, i: usize) -> usize {
        match *self {
            Self::Single => usize::MAX,
            Self::Axis { inner, .. } => inner - i % inner,
            Self::Blocks { inner: 1, len, block, .. } => (block - i % len % block).min(len - i % len),
            Self::Blocks { .. } => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_one_scale_are_counted() {
        for (shape, block, scale) in [
            (&[2, 4, 3][..], 0, &[1][..]),
            (&[2, 4, 3], 0, &[4]),
            (&[2, 4, 3], 3, &[2, 2, 3]),
            (&[3, 5], 2, &[3, 3]),
        ] {
            let shape = Shape::new(shape);
            let grid = Granularity { axis: 1, block }.grid(&shape, &Shape::new(scale)).unwrap();
            let len = shape.elements().unwrap();
            for i in 0..len {
                let end = grid.alike(i).saturating_add(i).min(len);
                assert!((i + 1..end).all(|j| grid.place(j) == grid.place(i)), "{grid:?} {i}");
                assert!(end > i, "{grid:?} {i}");
            }
        }
    }

    #[test]
    fn scales_are_found_by_axis_and_block() {
        let shape = Shape::new(&[2, 4, 3]);
        let places = |block, scale: &[usize]| {
            let grid = Granularity { axis: 1, block }.grid(&shape, &Shape::new(scale)).unwrap();
            [0, 2, 3, 11, 12, 23].map(|i| grid.place(i))
        };
        assert_eq!(places(0, &[1]), [0; 6]);
        assert_eq!(places(0, &[4]), [0, 0, 1, 3, 0, 3]);
        assert_eq!(places(2, &[2, 2, 3]), [0, 2, 0, 5, 6, 11]);
        assert!(Granularity { axis: 1, block: 0 }.grid(&shape, &Shape::new(&[3])).is_err());
    }
}
