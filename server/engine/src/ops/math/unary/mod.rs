//! Operators of one input, element by element. Functions of a real number share one loop ([`function`]).

pub(super) mod activation;
pub(crate) mod clip;
pub(crate) mod elementary;
pub(crate) mod function;
pub(crate) mod integral;
pub(super) mod parametric;
pub(crate) mod predicate;
