//! Support vector machines.

mod classifier;
mod kernel;
mod probability;
mod regressor;

use crate::ops::OpDef;

pub(super) const CLASSIFIER: &[OpDef] = classifier::OPS;
pub(super) const REGRESSOR: &[OpDef] = regressor::OPS;
