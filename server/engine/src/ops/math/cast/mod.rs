//! `Cast` and `CastLike`, between every two element types.

pub(super) mod mini;
mod number;
pub(crate) mod ops;
mod text;
