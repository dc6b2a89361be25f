//! Writes runs of elements to places in a list, replacing or combining with what is there.

use half::{bf16, f16};

use crate::{
    error::{OpError, Result},
    onnx::NodeDef,
    value::{Bool, Element, Tensor, dispatch},
};

/// How an update meets the element that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ops::tensor) enum Reduction {
    Replace,
    Add,
    Mul,
    Min,
    Max,
}

impl Reduction {
    /// The node's `reduction`.
    ///
    /// # Errors
    /// `Invalid` for an unknown one.
    pub(in crate::ops::tensor) fn parse(node: &NodeDef<'_>) -> Result<Self> {
        match node.string_or("reduction", "none")? {
            "none" => Ok(Self::Replace),
            "add" => Ok(Self::Add),
            "mul" => Ok(Self::Mul),
            "min" => Ok(Self::Min),
            "max" => Ok(Self::Max),
            other => Err(OpError::invalid(format!(
                "attribute 'reduction' must be none, add, mul, min or max, got '{other}'"
            ))),
        }
    }
}

/// `data` with the runs of `block` elements of `updates` written, one after another, where `starts` say.
///
/// # Errors
/// `Invalid` where a run leaves the tensor or the updates do not fit.
pub(in crate::ops::tensor) fn scatter(
    data: &Tensor,
    starts: &[usize],
    block: usize,
    updates: &Tensor,
    reduction: Reduction,
) -> Result<Tensor> {
    let elem = data.elem();
    if reduction == Reduction::Replace {
        return dispatch!(elem, Any, T => write::<T>(data, starts, block, updates, T::clone_from));
    }
    if elem == Bool::ELEM {
        return write::<Bool>(data, starts, block, updates, |old, new| *old = old.combine(*new, reduction));
    }
    dispatch!(elem, Number, T => write::<T>(data, starts, block, updates, |old, new| {
        *old = old.combine(*new, reduction);
    }))
}

fn write<T: Element>(
    data: &Tensor,
    starts: &[usize],
    block: usize,
    updates: &Tensor,
    meet: impl Fn(&mut T, &T),
) -> Result<Tensor> {
    let updates = updates.view::<T>()?;
    if starts.len().checked_mul(block) != Some(updates.len()) {
        return Err(OpError::invalid(format!(
            "expected {} updates of {block} elements, got {} elements",
            starts.len(),
            updates.len()
        )));
    }
    let mut out = data.to_vec::<T>()?;
    if block == 0 {
        return Tensor::from_vec(data.shape().clone(), out);
    }
    for (&start, run) in starts.iter().zip(updates.chunks_exact(block)) {
        let places = start.checked_add(block).and_then(|end| out.get_mut(start..end));
        let places = places.ok_or_else(|| OpError::invalid("an update lies outside the tensor"))?;
        places.iter_mut().zip(run).for_each(|(old, new)| meet(old, new));
    }
    Tensor::from_vec(data.shape().clone(), out)
}

trait Combine: Copy {
    fn combine(self, other: Self, reduction: Reduction) -> Self;
}

macro_rules! combine {
    ($($type:ty: |$a:ident, $b:ident| $add:expr, $mul:expr;)*) => {$(
        impl Combine for $type {
            fn combine(self, other: Self, reduction: Reduction) -> Self {
                let ($a, $b) = (self, other);
                match reduction {
                    Reduction::Replace => $b,
                    Reduction::Add => $add,
                    Reduction::Mul => $mul,
                    Reduction::Min => if $b < $a { $b } else { $a },
                    Reduction::Max => if $b > $a { $b } else { $a },
                }
            }
        }
    )*};
}

combine! {
    u8: |a, b| a.wrapping_add(b), a.wrapping_mul(b);
    u16: |a, b| a.wrapping_add(b), a.wrapping_mul(b);
    u32: |a, b| a.wrapping_add(b), a.wrapping_mul(b);
    u64: |a, b| a.wrapping_add(b), a.wrapping_mul(b);
    i8: |a, b| a.wrapping_add(b), a.wrapping_mul(b);
    i16: |a, b| a.wrapping_add(b), a.wrapping_mul(b);
    i32: |a, b| a.wrapping_add(b), a.wrapping_mul(b);
    i64: |a, b| a.wrapping_add(b), a.wrapping_mul(b);
    f16: |a, b| a + b, a * b;
    bf16: |a, b| a + b, a * b;
    f32: |a, b| a + b, a * b;
    f64: |a, b| a + b, a * b;
    Bool: |a, b| Bool::new(a.get() || b.get()), Bool::new(a.get() && b.get());
}
