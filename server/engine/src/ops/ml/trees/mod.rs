//! Decision trees: both generations of the file format become one [`Forest`].

mod classifier;
mod ensemble;
mod forest;
mod nodes;
mod raw;
mod regressor;
mod score;

use crate::ops::OpDef;

pub(super) const CLASSIFIER: &[OpDef] = classifier::OPS;
pub(super) const REGRESSOR: &[OpDef] = regressor::OPS;
pub(super) const ENSEMBLE: &[OpDef] = ensemble::OPS;
