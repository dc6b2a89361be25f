//! Operators of two inputs or more that broadcast, element by element.

pub(crate) mod arithmetic;
pub(super) mod bits;
pub(crate) mod compare;
mod legacy;
pub(crate) mod logic;
pub(super) mod modulo;
pub(crate) mod power;
pub(super) mod prelu;
pub(crate) mod select;
pub(crate) mod variadic;
