//! A read-only look at a tensor's elements in row-major order, without a copy where they lie so already.

use std::ops::Deref;

use candle_core::{CpuStorage, Layout, Storage, StorageRef};

type Project<T> = fn(&CpuStorage) -> Option<&[T]>;

/// A tensor's elements in row-major order; keeps the storage alive and readable.
pub struct View<'a, T>(Repr<'a, T>);

enum Repr<'a, T> {
    Slice(&'a [T]),
    Owned(Vec<T>),
    Candle { storage: StorageRef<'a>, start: usize, len: usize, project: Project<T> },
}

impl<'a, T: Clone> View<'a, T> {
    pub(super) const fn of_slice(slice: &'a [T]) -> Self {
        Self(Repr::Slice(slice))
    }

    /// A view of a candle tensor on the host, compacted where it is strided; `None` for another element
    /// type or device.
    pub(super) fn of_candle(tensor: &'a candle_core::Tensor, project: Project<T>) -> Option<Self> {
        let (storage, layout) = tensor.storage_and_layout();
        let Storage::Cpu(host) = &*storage else { return None };
        let all = project(host)?;
        if let Some((start, end)) = layout.contiguous_offsets() {
            all.get(start..end)?;
            return Some(Self(Repr::Candle { storage, start, len: end - start, project }));
        }
        let compact = offsets(layout).map(|i| all.get(i).cloned()).collect::<Option<Vec<_>>>()?;
        Some(Self(Repr::Owned(compact)))
    }
}

impl<T> Deref for View<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.0 {
            Repr::Slice(slice) => slice,
            Repr::Owned(elements) => elements,
            Repr::Candle { storage, start, len, project } => match &**storage {
                Storage::Cpu(host) => project(host).map_or(&[], |all| &all[*start..start + len]),
                _ => &[],
            },
        }
    }
}

/// The places of a strided tensor's elements in its storage, in row-major order.
fn offsets(layout: &Layout) -> impl Iterator<Item = usize> + '_ {
    let (dims, strides) = (layout.dims(), layout.stride());
    let mut index = vec![0usize; dims.len()];
    let mut next = Some(layout.start_offset()).filter(|_| !dims.contains(&0));
    std::iter::from_fn(move || {
        let current = next?;
        let mut offset = current;
        next = dims.iter().zip(strides).zip(&mut index).rev().find_map(|((&dim, &stride), i)| {
            *i += 1;
            if *i < dim {
                return Some(offset + stride);
            }
            offset -= (dim - 1) * stride;
            *i = 0;
            None
        });
        Some(current)
    })
}

#[cfg(test)]
mod tests {
    use crate::value::Tensor;

    #[test]
    fn a_strided_tensor_reads_in_row_major_order() {
        let tensor = Tensor::from_vec(&[2usize, 3][..], vec![1i64, 2, 3, 4, 5, 6]).unwrap();
        let turned = Tensor::from_candle(tensor.candle().unwrap().t().unwrap()).unwrap();
        assert_eq!(turned.to_vec::<i64>().unwrap(), [1, 4, 2, 5, 3, 6]);
        let narrow = Tensor::from_candle(turned.candle().unwrap().narrow(0, 1, 2).unwrap()).unwrap();
        assert_eq!(narrow.to_vec::<i64>().unwrap(), [2, 5, 3, 6]);
    }
}
