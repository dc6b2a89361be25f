//! Operators of one input, element by element. Functions of a real number share one loop ([`function`]).

pub(super) mod activation;
pub(crate) mod clip;
pub(super) mod elementary;
pub(crate) mod function;
pub(super) mod integral;
pub(super) mod parametric;
pub(super) mod predicate;
