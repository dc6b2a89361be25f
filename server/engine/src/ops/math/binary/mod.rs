//! Operators of two inputs or more that broadcast, element by element.

pub(crate) mod arithmetic;
pub(super) mod bits;
pub(super) mod compare;
mod legacy;
pub(super) mod logic;
pub(super) mod modulo;
pub(crate) mod power;
pub(super) mod prelu;
pub(crate) mod select;
pub(super) mod variadic;
