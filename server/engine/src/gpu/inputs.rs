//! Inputs of a batch on their way to a device: checked, gathered side by side in pinned memory, and copied at once.

use girandole_core::{BatchInput, Shape};
use girandole_cuda::Pinned;

use super::{
    context::Context,
    growth::Grown,
    lines::Lines,
    tensor::{DeviceTensor, Held, dense_strides},
    transfer,
};
use crate::{
    error::{OpError, Result},
    value::{ElemType, Value, from_parts},
};

/// An input of a batch.
pub(super) struct Input<'a> {
    given: &'a BatchInput,
    /// What the model calls its elements.
    elem: Option<ElemType>,
    /// The shape that the device computes with.
    pub(super) shape: Shape,
    /// How its lines are stretched to that.
    lines: Option<Lines>,
}

impl<'a> Input<'a> {
    pub(super) fn new(given: &'a BatchInput, elem: Option<ElemType>, grown: &Grown<'_>) -> Result<Self> {
        let bytes: usize = given.parts.iter().map(bytes::Bytes::len).sum();
        let expected = given.dtype.size().and_then(|size| given.shape.elements()?.checked_mul(size));
        if expected.is_some_and(|expected| expected != bytes) {
            return Err(OpError::invalid(format!("{bytes} bytes do not make shape {}", given.shape)));
        }
        let (shape, lines) = grown.input(given)?;
        Ok(Self { given, elem, shape, lines })
    }

    pub(super) fn on_host(&self) -> Result<Held> {
        let tensor = from_parts(self.given.dtype, &self.given.shape, &self.given.parts)?;
        Ok(Held::Host(Value::Tensor(tensor.declared(self.elem)?)))
    }

    /// Copies it to the beginning of `to`, and zeros to where it has nothing.
    fn copy_to(&self, mut to: &mut [u8]) -> Result<()> {
        for part in &self.given.parts {
            let lines = self.lines.unwrap_or(Lines { came: part.len(), computed: part.len() });
            to = lines.stretch(part, to).ok_or_else(|| OpError::invalid("it is longer than its shape"))?;
        }
        to.fill(0);
        Ok(())
    }
}

/// Inputs lie side by side, each at a multiple of this many bytes.
const ALIGNED: usize = 256;

/// One piece of memory for all inputs; `None` where one stays on the host.
pub(super) fn targets(context: &Context, inputs: &[Input<'_>]) -> Result<Option<Vec<DeviceTensor>>> {
    let mut places = Vec::with_capacity(inputs.len());
    let mut end = 0usize;
    for input in inputs {
        let Some(elem) = input.elem.filter(|elem| transfer::raw(*elem).is_ok()) else { return Ok(None) };
        let dtype = transfer::raw(elem)?;
        let bytes = input.shape.elements().and_then(|len| len.checked_mul(dtype.size()));
        let bytes = bytes.ok_or_else(|| OpError::invalid("the shape is too large"))?;
        places.push((elem, dtype, end / dtype.size()));
        end = end.saturating_add(bytes.next_multiple_of(ALIGNED));
    }
    let buffer = context.arena.take_apart(end)?;
    let tensor = |(input, (elem, dtype, offset)): (&Input<'_>, _)| {
        let (shape, strides) = (input.shape.clone(), dense_strides(&input.shape));
        DeviceTensor { elem, dtype, shape, strides, offset, buffer: buffer.clone() }
    };
    Ok(Some(inputs.iter().zip(places).map(tensor).collect()))
}

/// Copies the inputs side by side into pinned memory, zeros where something was added, and from there to the device,
/// at once.
pub(super) fn gather(
    context: &Context,
    memory: &mut Option<Pinned>,
    inputs: &[Input<'_>],
    targets: &[DeviceTensor],
) -> Result<()> {
    let bytes = |target: &DeviceTensor| target.len() * target.dtype.size();
    let all: usize = targets.iter().map(|target| bytes(target).next_multiple_of(ALIGNED)).sum();
    let Some(first) = targets.first() else { return Ok(()) };
    if memory.as_ref().is_none_or(|memory| memory.len() < all) {
        *memory = Some(context.queue.pinned(all.next_power_of_two())?);
    }
    let Some(memory) = memory else { return Ok(()) };
    let mut rest = &mut memory.as_mut_slice()[..all];
    for (input, target) in inputs.iter().zip(targets) {
        let (own, others) = rest.split_at_mut(bytes(target).next_multiple_of(ALIGNED));
        input.copy_to(own)?;
        rest = others;
    }
    Ok(context.queue.upload(first.at(), memory, 0..all)?)
}
