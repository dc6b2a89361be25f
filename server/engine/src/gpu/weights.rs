//! A model's weights on one GPU, in the forms that its operators want them in, shared by its sessions.
//!
//! Invariant: a weight is made once, waited for, and never written again. What was promised and is not made yet is
//! promised until a whole run was made with them.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use girandole_cuda::{Arena, Promise};

use super::{context::Context, tensor::DeviceTensor};
use crate::error::Result;

/// Whose weight it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    /// The program's constant of this number.
    Constant(usize),
    /// The program's step of this number, which holds it itself.
    Step(usize),
}

/// What a weight was made into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Form {
    /// As the file has it, in the model's precision.
    Plain,
    /// A matrix with rows and columns exchanged.
    Turned,
    /// A convolution's filters, channels side by side and padded.
    Filters,
    /// The numbers of a fused operator that are no constant of the graph: scale and shift of a normalisation.
    Scale,
    Shift,
    /// A recurrent layer's input weights, recurrent weights and bias, of one direction.
    Recurrent(u8, usize),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Weights {
    arena: Arena,
    made: Mutex<HashMap<(Owner, Form), DeviceTensor>>,
    /// What they are still to take.
    promised: Mutex<Option<Promise>>,
}

impl Weights {
    /// None yet, in memory of `arena`.
    pub(crate) fn new(arena: Arena) -> Self {
        Self { arena, made: Mutex::default(), promised: Mutex::default() }
    }

    /// As [`Self::new`], where memory was promised for them.
    pub(crate) fn promised(arena: Arena, promise: Promise) -> Self {
        Self { promised: Mutex::new(Some(promise)), ..Self::new(arena) }
    }

    /// The weight of this number in this form, made by `make` where nobody has asked for it yet.
    pub(super) fn get(
        &self,
        context: &Context,
        owner: Owner,
        form: Form,
        make: impl FnOnce() -> Result<DeviceTensor>,
    ) -> Result<DeviceTensor> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tensor) = made.get(&(owner, form)) {
            return Ok(tensor.clone());
        }
        if context.is_capturing() {
            return Err(context.refuse("a weight would be made again and again"));
        }
        let tensor = self.own(context, &make()?)?;
        // Other sessions' queues do not wait for this one's.
        context.queue.synchronize()?;
        made.insert((owner, form), tensor.clone());
        Ok(tensor)
    }

    /// The tensor in memory of its own.
    fn own(&self, context: &Context, tensor: &DeviceTensor) -> Result<DeviceTensor> {
        let bytes = tensor.len() * tensor.dtype.size();
        let tensor = context.dense(tensor)?;
        let buffer = self.arena.take_apart(bytes)?;
        if let Some(promise) = &mut *self.promise() {
            promise.shrink(promise.bytes().saturating_sub(buffer.bytes()));
        }
        context.queue.copy(buffer.at(), tensor.at(), bytes)?;
        Ok(DeviceTensor { buffer, offset: 0, ..tensor })
    }

    /// A whole run was made: those that the device wants are there.
    pub(crate) fn complete(&self) {
        *self.promise() = None;
    }

    fn promise(&self) -> MutexGuard<'_, Option<Promise>> {
        self.promised.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of all weights made so far.
    pub(crate) fn bytes(&self) -> usize {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.values().map(|tensor| tensor.len() * tensor.dtype.size()).sum()
    }
}
