//! `Attention` by the kernel: of `f32` throughout, without a cap or scores to hand out, and with keys of one
//! number for all sequences.

use girandole_kernels::attention::{self as kernel, Masking, Order, Sizes, Unseen};

use super::{Attention, Heads, Operands};
use crate::{
    error::Result,
    ops::{Inputs, Outputs},
    value::{Bool, ElemType, Tensor, checked_len},
};

impl Attention {
    /// The outputs, where the kernel can make them.
    pub(super) fn by_kernel(&self, inputs: &Inputs) -> Result<Option<Outputs>> {
        let floats = (0..3).all(|i| inputs.tensor(i).is_ok_and(|tensor| tensor.elem() == ElemType::F32));
        let plain = floats && self.stage.is_none() && !self.double && self.softcap <= 0.0;
        if !plain || inputs.get(6).is_some() {
            return Ok(None);
        }
        let operands = Operands::<f32>::new(self, inputs)?;
        let Operands { queries, keys, values, past } = &operands;
        let sizes = Sizes {
            batch: queries.batch,
            heads: queries.heads,
            key_heads: keys.heads,
            queries: queries.len,
            keys: keys.len,
            depth: queries.width,
            width: values.width,
        };
        checked_len::<f32>(&[sizes.batch, sizes.heads, sizes.queries, sizes.width])?;
        let Some(mask) = Mask::new(inputs.opt_tensor(3)?, sizes)? else { return Ok(None) };
        if sizes.keys == 0 {
            return Ok(None);
        }
        let attention = kernel::Attention {
            sizes,
            query: heads(queries),
            key: heads(keys),
            value: heads(values),
            scale: self.scale_of(queries.width),
            mask: mask.kernel(),
            causal: self.causal.then_some(past.cast_signed()),
            unseen: Unseen::Zeros,
            order: if queries.heads_first { Order::HeadsFirst } else { Order::RowsFirst },
        };
        let out = attention.compute()?;
        self.outputs(inputs, &operands, out, None).map(Some)
    }
}

fn heads<'a>(heads: &'a Heads<'_, f32>) -> kernel::Heads<'a> {
    let (data, strides) = heads.all();
    kernel::Heads { data, start: 0, batch: strides.batch, head: strides.head, row: strides.row }
}

/// Numbers to add to the scores; minus infinity for those that a condition hides.
struct Mask {
    numbers: Option<Vec<f32>>,
    strides: [usize; 4],
}

impl Mask {
    /// `None` for one that the kernel cannot take: of another type, or shorter than the keys.
    fn new(mask: Option<&Tensor>, sizes: Sizes) -> Result<Option<Self>> {
        let Some(mask) = mask else { return Ok(Some(Self { numbers: None, strides: [0; 4] })) };
        let scores = [sizes.batch, sizes.heads, sizes.queries, sizes.keys];
        let Some(strides) = strides(mask.shape(), scores) else { return Ok(None) };
        let numbers = match mask.elem() {
            ElemType::F32 => mask.to_vec::<f32>()?,
            ElemType::Bool => {
                let number = |seen: &Bool| if seen.get() { 0.0 } else { f32::NEG_INFINITY };
                mask.view::<Bool>()?.iter().map(number).collect()
            }
            _ => return Ok(None),
        };
        Ok(Some(Self { numbers: Some(numbers), strides }))
    }

    fn kernel(&self) -> Option<kernel::Mask<'_>> {
        let data = self.numbers.as_deref()?;
        Some(kernel::Mask { masking: Masking::Add, data, strides: self.strides })
    }
}

/// Elements of a mask from one index of the scores to the next; `None` where it does not broadcast to them.
fn strides(shape: &[usize], scores: [usize; 4]) -> Option<[usize; 4]> {
    let missing = scores.len().checked_sub(shape.len())?;
    let (mut strides, mut stride) = ([0; 4], 1);
    for (axis, &dim) in shape.iter().enumerate().rev() {
        if dim != 1 {
            strides[missing + axis] = stride;
        }
        if dim != 1 && dim != scores[missing + axis] {
            return None;
        }
        stride *= dim;
    }
    Some(strides)
}
