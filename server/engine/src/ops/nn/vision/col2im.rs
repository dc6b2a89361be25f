//! `Col2Im`: images from the columns of their windows, summed where windows overlap. Since opset 18.

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{Tensor, checked_len},
};

use super::super::{
    ring::{Ring, ring},
    window::sizes,
};

pub(in super::super) const OPS: &[OpDef] = &[OpDef::onnx("Col2Im", 18, parse)];

#[derive(Debug)]
struct Col2Im {
    strides: Vec<usize>,
    dilations: Vec<usize>,
    /// Begins, then ends.
    pads: Vec<usize>,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    boxed(Col2Im {
        strides: sizes(node, "strides", 1)?,
        dilations: sizes(node, "dilations", 1)?,
        pads: sizes(node, "pads", 0)?,
    })
}

/// One axis of the image and the windows along it.
#[derive(Clone, Copy, Debug)]
struct Axis {
    size: usize,
    block: usize,
    stride: usize,
    dilation: usize,
    pad: usize,
    windows: usize,
}

impl Axis {
    /// The place that tap `tap` of window `window` touches, unless it lies in the padding.
    fn place(&self, window: usize, tap: usize) -> Option<usize> {
        (window * self.stride + tap * self.dilation).checked_sub(self.pad).filter(|&place| place < self.size)
    }
}

impl Col2Im {
    fn axis(&self, i: usize, axes: usize, size: usize, block: usize) -> Result<Axis> {
        let pick = |list: &[usize], i: usize, expected: usize, default: usize| match list.len() {
            0 => Ok(default),
            len if len == expected => Ok(list[i]),
            len => {
                Err(OpError::invalid(format!("expected {expected} strides, dilations or pads, got {len}")))
            }
        };
        let (stride, dilation) = (pick(&self.strides, i, axes, 1)?, pick(&self.dilations, i, axes, 1)?);
        let (pad, pad_end) = (pick(&self.pads, i, 2 * axes, 0)?, pick(&self.pads, axes + i, 2 * axes, 0)?);
        let windows = || {
            let extent = block.checked_sub(1)?.checked_mul(dilation)?.checked_add(1)?;
            let free = size.checked_add(pad)?.checked_add(pad_end)?.checked_sub(extent)?;
            Some(free / stride + 1)
        };
        let windows = windows()
            .ok_or_else(|| OpError::invalid(format!("blocks of {block} do not fit into {size} places")))?;
        Ok(Axis { size, block, stride, dilation, pad, windows })
    }

    fn run<T: Ring>(&self, input: &Tensor, image: &[usize], block: &[usize]) -> Result<Tensor> {
        let pairs = image.iter().zip(block).enumerate();
        let axes: Vec<Axis> = pairs
            .map(|(i, (&size, &block))| self.axis(i, image.len(), size, block))
            .collect::<Result<_>>()?;
        let taps = checked_len::<u8>(block)?;
        let windows = checked_len::<u8>(&axes.iter().map(|axis| axis.windows).collect::<Vec<_>>())?;
        let (batch, columns) = match input.shape()[..] {
            [batch, columns, count] if count == windows && taps > 0 && columns.is_multiple_of(taps) => {
                (batch, columns)
            }
            _ => {
                return Err(OpError::invalid(format!(
                    "expected [N, C * {taps}, {windows}] for blocks {block:?} of images {image:?}, got {}",
                    input.shape()
                )));
            }
        };
        let shape = [&[batch, columns / taps], image].concat();
        let mut out = vec![T::ZERO; checked_len::<T>(&shape)?];
        let plane: usize = image.iter().product();
        let data = T::read(input)?;
        for (row, values) in data.chunks_exact(windows.max(1)).enumerate() {
            let plane = &mut out[row / taps * plane..(row / taps + 1) * plane];
            for (window, &value) in values.iter().enumerate() {
                if let Some(place) = place(&axes, window, row % taps) {
                    plane[place] = plane[place].plus(value);
                }
            }
        }
        T::write(input.elem(), &shape, out)
    }
}

/// The place in the image of a tap of a window, both by number.
fn place(axes: &[Axis], mut window: usize, mut tap: usize) -> Option<usize> {
    let (mut place, mut stride) = (0, 1);
    for axis in axes.iter().rev() {
        place += axis.place(window % axis.windows, tap % axis.block)? * stride;
        window /= axis.windows;
        tap /= axis.block;
        stride *= axis.size;
    }
    Some(place)
}

impl Op for Col2Im {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let taps = inputs.get(2).and_then(Fact::constant_ints).and_then(|block| {
            block.iter().try_fold(1usize, |all, &size| all.checked_mul(usize::try_from(size).ok()?))
        });
        let image = inputs.get(1).and_then(|fact| fact.dims.as_deref());
        let shape = match (inputs.shape(0).map(Vec::as_slice), image) {
            (Some([batch, columns, _]), Some(image)) => {
                let channels =
                    columns.known().zip(taps).and_then(|(columns, taps)| columns.checked_div(taps));
                let channels = channels.map_or(SymDim::Unknown, SymDim::Known);
                Some([&[batch.clone(), channels], image].concat())
            }
            _ => None,
        };
        Ok(vec![Fact::tensor(inputs.elem(0), shape)])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let sizes = |i: usize| {
            let sizes = inputs.tensor(i)?.to_ints()?;
            let all: Option<Vec<usize>> = sizes.iter().map(|&size| usize::try_from(size).ok()).collect();
            all.ok_or_else(|| OpError::invalid(format!("sizes must not be negative, got {sizes:?}")))
        };
        let (image, block) = (sizes(1)?, sizes(2)?);
        if image.is_empty() || image.len() != block.len() {
            return Err(OpError::invalid(format!("images {image:?} and blocks {block:?} differ in rank")));
        }
        one(ring!(input.elem(), T => self.run::<T>(input, &image, &block))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(op: &Col2Im, shape: &[usize], image: &[usize], block: &[usize]) -> Result<Vec<i32>> {
        let data = (1..=shape.iter().product::<usize>() as i32).collect();
        op.run::<i64>(&Tensor::from_vec(shape, data)?, image, block)?.to_vec()
    }

    #[test]
    fn overlapping_windows_are_summed_and_padding_is_left_out() {
        let op = Col2Im { strides: vec![], dilations: vec![], pads: vec![] };
        // Taps by windows: [1, 2], [3, 4].
        assert_eq!(run(&op, &[1, 2, 2], &[3], &[2]).unwrap(), [1, 2 + 3, 4]);
        let op = Col2Im { strides: vec![2], dilations: vec![], pads: vec![1, 0] };
        assert_eq!(run(&op, &[1, 2, 2], &[3], &[2]).unwrap(), [3, 2, 4]);
    }

    #[test]
    fn sizes_that_do_not_fit_are_errors() {
        let op = Col2Im { strides: vec![], dilations: vec![], pads: vec![] };
        for (shape, image, block) in
            [([1, 2, 3], [3], [2]), ([1, 3, 2], [3], [2]), ([1, 2, 2], [1], [2]), ([1, 2, 2], [3], [0])]
        {
            assert!(run(&op, &shape, &image, &block).is_err(), "{shape:?} {image:?} {block:?}");
        }
    }
}
