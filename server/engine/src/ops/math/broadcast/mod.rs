//! Multidirectional (numpy) broadcasting: one shape rule, one walk over memory, loops on top.

mod shape;
mod walk;
mod zip;

pub(crate) use shape::{broadcast, broadcast_dims};
pub(crate) use zip::{zip, zip3};
