//! A tensor in a GPU's memory, and what a step of a program takes and makes.
//!
//! Invariant: all elements that shape, strides and offset name lie within the buffer.

use girandole_core::Shape;
use girandole_cuda::{Buffer, Pointer};
use smallvec::SmallVec;

use super::dtype::Dtype;
use crate::value::{ElemType, Value};

/// Elements from one index to the next, axis by axis.
pub(crate) type Strides = SmallVec<[isize; 6]>;

/// See the module. Clones share the memory; nothing is written after it was made.
#[derive(Clone, Debug)]
pub(crate) struct DeviceTensor {
    /// What the model calls the elements.
    pub(crate) elem: ElemType,
    /// What they are kept as.
    pub(crate) dtype: Dtype,
    pub(crate) shape: Shape,
    pub(crate) strides: Strides,
    /// The first element's place in the buffer.
    pub(crate) offset: usize,
    pub(crate) buffer: Buffer,
}

/// The strides of a tensor whose elements lie in order.
pub(crate) fn dense_strides(shape: &[usize]) -> Strides {
    let mut strides: Strides = SmallVec::from_elem(1, shape.len());
    for axis in (0..shape.len().saturating_sub(1)).rev() {
        strides[axis] = strides[axis + 1] * shape[axis + 1].max(1).cast_signed();
    }
    strides
}

impl DeviceTensor {
    /// Where its first element is.
    pub(crate) fn at(&self) -> Pointer {
        self.buffer.at().offset(self.offset * self.dtype.size())
    }

    /// Elements.
    pub(crate) fn len(&self) -> usize {
        self.shape.elements().unwrap_or(0)
    }

    /// Number of axes.
    pub(crate) fn rank(&self) -> usize {
        self.shape.len()
    }

    /// Whether the elements lie in order.
    pub(crate) fn is_dense(&self) -> bool {
        let dense = dense_strides(&self.shape);
        let axes = self.shape.iter().zip(self.strides.iter().zip(&dense));
        self.len() == 0 || axes.into_iter().all(|(&dim, (own, dense))| dim == 1 || own == dense)
    }

    /// The axes from the outermost in memory to the innermost, where all elements lie side by side in that order.
    pub(crate) fn memory_order(&self) -> Option<SmallVec<[usize; 6]>> {
        let mut order: SmallVec<[usize; 6]> = (0..self.rank()).collect();
        // An axis of one index stays before the axis after it.
        let key = |axis: usize| if self.shape[axis] == 1 { None } else { Some(-self.strides[axis]) };
        let mut moving: SmallVec<[usize; 6]> =
            order.iter().copied().filter(|&axis| key(axis).is_some()).collect();
        moving.sort_by_key(|&axis| key(axis));
        let mut sorted = moving.iter();
        for place in &mut order {
            if key(*place).is_some()
                && let Some(&axis) = sorted.next()
            {
                *place = axis;
            }
        }
        let mut expected = 1;
        for &axis in order.iter().rev().filter(|&&axis| self.shape[axis] != 1) {
            if self.strides[axis] != expected {
                return None;
            }
            expected *= self.shape[axis].cast_signed();
        }
        Some(order)
    }

    /// The same elements with axes in this order.
    pub(crate) fn permuted(&self, order: &[usize]) -> Self {
        let shape: Vec<usize> = order.iter().map(|&axis| self.shape[axis]).collect();
        let strides = order.iter().map(|&axis| self.strides[axis]).collect();
        Self { shape: shape.into(), strides, ..self.clone() }
    }

    /// Some of its elements, by a walk whose strides and start count its own elements in order; only of a dense one.
    pub(crate) fn walked(&self, shape: &[usize], strides: &[isize], start: usize) -> Self {
        let offset = self.offset + start;
        Self { shape: Shape::new(shape), strides: strides.into(), offset, ..self.clone() }
    }

    /// The same elements under another shape of as many; only of a dense one.
    pub(crate) fn reshaped(&self, shape: &[usize]) -> Self {
        Self { shape: Shape::new(shape), strides: dense_strides(shape), ..self.clone() }
    }

    /// Strides of this tensor broadcast to `shape`: 0 along what is repeated.
    pub(crate) fn broadcast_strides(&self, shape: &[usize]) -> Strides {
        let missing = shape.len().saturating_sub(self.rank());
        let own = self.shape.iter().zip(&self.strides);
        let own = own.map(|(&dim, &stride)| if dim == 1 { 0 } else { stride });
        std::iter::repeat_n(0, missing).chain(own).collect()
    }
}

/// What flows between the steps of a program.
#[derive(Clone, Debug)]
pub(crate) enum Held {
    /// A value of the host's: shapes, indices, what no kernel takes.
    Host(Value),
    /// The program's constant of this number.
    Constant(usize, Value),
    /// A tensor of the device's.
    Device(DeviceTensor),
}

impl Held {
    /// The dimensions of a tensor.
    pub(crate) fn shape(&self) -> Option<&Shape> {
        match self {
            Self::Host(value) | Self::Constant(_, value) => {
                value.tensor().ok().map(crate::value::Tensor::shape)
            }
            Self::Device(tensor) => Some(&tensor.shape),
        }
    }

    /// The host's value, where it is there.
    pub(crate) const fn host(&self) -> Option<&Value> {
        match self {
            Self::Host(value) | Self::Constant(_, value) => Some(value),
            Self::Device(_) => None,
        }
    }

    /// Whether it is on the device.
    pub(crate) const fn is_device(&self) -> bool {
        matches!(self, Self::Device(_))
    }
}

impl From<DeviceTensor> for Held {
    fn from(tensor: DeviceTensor) -> Self {
        Self::Device(tensor)
    }
}
