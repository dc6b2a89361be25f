//! Loops over strided tensors, as kernels take them: axes that lie together in every tensor are merged, those of
//! one index left out, so that most walks are of one or two axes.

use smallvec::SmallVec;

/// The most axes that a kernel walks over (`MAX_RANK` of `kernels/common.cuh`).
pub const MAX_RANK: usize = 6;

/// A loop over one tensor; see [`Walk`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
#[allow(missing_docs)]
pub struct Walk1 {
    pub rank: i32,
    pub dims: [i32; MAX_RANK],
    pub strides: [[i32; MAX_RANK]; 1],
}

/// A loop over two tensors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
#[allow(missing_docs)]
pub struct Walk2 {
    pub rank: i32,
    pub dims: [i32; MAX_RANK],
    pub strides: [[i32; MAX_RANK]; 2],
}

/// A loop over three tensors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
#[allow(missing_docs)]
pub struct Walk3 {
    pub rank: i32,
    pub dims: [i32; MAX_RANK],
    pub strides: [[i32; MAX_RANK]; 3],
}

/// A loop over N tensors of one shape: dimensions, outermost first, and each tensor's strides in elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk<const N: usize> {
    dims: SmallVec<[usize; 8]>,
    strides: [SmallVec<[isize; 8]>; N],
}

impl<const N: usize> Walk<N> {
    /// The loop over `dims` with a stride for each of them for each tensor.
    pub fn new(dims: &[usize], strides: [&[isize]; N]) -> Self {
        let mut walk = Self { dims: SmallVec::new(), strides: std::array::from_fn(|_| SmallVec::new()) };
        for (axis, &dim) in dims.iter().enumerate().filter(|(_, dim)| **dim != 1) {
            let steps: [isize; N] =
                std::array::from_fn(|tensor| strides[tensor].get(axis).copied().unwrap_or(0));
            walk.push(dim, steps);
        }
        walk
    }

    fn push(&mut self, dim: usize, steps: [isize; N]) {
        let together = self.dims.last().is_some_and(|_| {
            let before = self.strides.iter().filter_map(|strides| strides.last());
            before.zip(steps).all(|(&before, step)| step.checked_mul(dim.cast_signed()) == Some(before))
        });
        if !together {
            self.dims.push(dim);
            self.strides.iter_mut().zip(steps).for_each(|(strides, step)| strides.push(step));
            return;
        }
        if let Some(last) = self.dims.last_mut() {
            *last *= dim;
        }
        for (strides, step) in self.strides.iter_mut().zip(steps) {
            if let Some(last) = strides.last_mut() {
                *last = step;
            }
        }
    }

    /// The axes that are left.
    pub fn rank(&self) -> usize {
        self.dims.len()
    }

    /// Their sizes.
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// A tensor's strides.
    pub fn strides(&self, tensor: usize) -> &[isize] {
        &self.strides[tensor]
    }

    /// Whether tensor `tensor` is walked through in order, element after element.
    pub fn is_dense(&self, tensor: usize) -> bool {
        match (&self.dims[..], self.strides(tensor)) {
            ([], _) => true,
            ([_], [stride]) => *stride == 1,
            _ => false,
        }
    }

    /// The struct's fields; `None` where there are more axes, elements or larger strides than a kernel can take.
    fn fields(&self) -> Option<(i32, [i32; MAX_RANK], [[i32; MAX_RANK]; N])> {
        if self.rank() > MAX_RANK {
            return None;
        }
        let (mut dims, mut strides) = ([1; MAX_RANK], [[0; MAX_RANK]; N]);
        for (to, from) in dims.iter_mut().zip(&self.dims) {
            *to = i32::try_from(*from).ok()?;
        }
        for (to, from) in strides.iter_mut().zip(&self.strides) {
            for (to, from) in to.iter_mut().zip(from) {
                *to = i32::try_from(*from).ok()?;
            }
        }
        Some((i32::try_from(self.rank()).ok()?, dims, strides))
    }
}

macro_rules! packed {
    ($n:literal, $walk:ident) => {
        impl Walk<$n> {
            /// As a kernel takes it; `None` where it has more axes or larger numbers than that holds.
            pub fn packed(&self) -> Option<$walk> {
                let (rank, dims, strides) = self.fields()?;
                Some($walk { rank, dims, strides })
            }
        }
    };
}
packed!(1, Walk1);
packed!(2, Walk2);
packed!(3, Walk3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_that_lie_together_are_one() {
        let walk = Walk::<2>::new(&[2, 3, 4], [&[12, 4, 1], &[12, 4, 1]]);
        assert_eq!((walk.dims(), walk.strides(0)), (&[24][..], &[1][..]));
        assert!(walk.is_dense(0));
    }

    #[test]
    fn a_broadcast_axis_stays_by_itself() {
        let walk = Walk::<2>::new(&[2, 1, 3, 4], [&[12, 12, 4, 1], &[0, 0, 0, 1]]);
        assert_eq!(walk.dims(), [6, 4]);
        assert_eq!((walk.strides(0), walk.strides(1)), (&[4, 1][..], &[0, 1][..]));
    }

    #[test]
    fn a_scalar_is_a_walk_of_no_axis_and_a_transpose_of_two() {
        let scalar = Walk::<1>::new(&[1, 1], [&[1, 1]]);
        assert_eq!(scalar.packed().map(|walk| walk.rank), Some(0));
        let turned = Walk::<2>::new(&[3, 2], [&[1, 3], &[2, 1]]);
        assert_eq!(turned.dims(), [3, 2]);
        let packed = turned.packed().unwrap();
        assert_eq!(
            (packed.strides[0][..2].to_vec(), packed.strides[1][..2].to_vec()),
            (vec![1, 3], vec![2, 1])
        );
    }

    #[test]
    fn more_axes_than_a_kernel_takes_are_refused() {
        let strides: Vec<isize> = (0..7).map(|axis| 1 << (2 * axis)).collect();
        assert_eq!(Walk::<1>::new(&[2; 7], [&strides]).packed(), None);
    }
}
