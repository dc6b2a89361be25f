//! Reductions over axes: one fold over memory ([`fold`]), and a reducer for each operator.

mod fold;
pub(crate) mod ops;
mod reducer;
