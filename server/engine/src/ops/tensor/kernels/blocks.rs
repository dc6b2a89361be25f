//! Copies runs of elements from places in a list: gathers, and joins of several tensors.

use crate::{
    error::{OpError, Result},
    value::{Element, Tensor, checked_len, dispatch},
};

/// The tensor of `shape` that consists of the runs of `block` elements that begin at `starts`.
///
/// # Errors
/// `Invalid` where a run leaves the tensor, `TooLarge` for too large a result.
pub(in crate::ops::tensor) fn take_blocks(
    tensor: &Tensor,
    starts: &[usize],
    block: usize,
    shape: Vec<usize>,
) -> Result<Tensor> {
    tensor.moved(|tensor| {
        dispatch!(tensor.elem(), Any, T => {
            let mut out: Vec<T> = Vec::with_capacity(checked_len::<T>(&shape)?);
            push_blocks(&tensor.view::<T>()?, starts, block, &mut out)?;
            Tensor::from_vec(shape, out)
        })
    })
}

fn push_blocks<T: Element>(source: &[T], starts: &[usize], block: usize, out: &mut Vec<T>) -> Result<()> {
    let outside = || OpError::invalid("a copy reads outside its tensor");
    if block == 1 {
        for &start in starts {
            out.push(source.get(start).ok_or_else(outside)?.clone());
        }
    } else if block > 1 {
        for &start in starts {
            let end = start.checked_add(block).ok_or_else(outside)?;
            out.extend_from_slice(source.get(start..end).ok_or_else(outside)?);
        }
    }
    Ok(())
}

/// The tensors one after another along dimension `axis`; `shape` is the result's.
///
/// # Errors
/// `Invalid` where element types differ, `TooLarge` for too large a result.
pub(in crate::ops::tensor) fn join(tensors: &[&Tensor], axis: usize, shape: Vec<usize>) -> Result<Tensor> {
    let Some(first) = tensors.first() else { return Err(OpError::invalid("no tensors to join")) };
    let outer: usize = shape[..axis].iter().product();
    dispatch!(first.elem(), Any, T => {
        let mut out: Vec<T> = Vec::with_capacity(checked_len::<T>(&shape)?);
        let views = tensors.iter().map(|tensor| tensor.view::<T>()).collect::<Result<Vec<_>>>()?;
        for row in 0..outer {
            for view in &views {
                let run = view.len() / outer;
                out.extend_from_slice(&view[row * run..(row + 1) * run]);
            }
        }
        Tensor::from_vec(shape, out)
    })
}
