//! `Cast` and `CastLike`, between every two element types.

pub(super) mod mini;
mod number;
pub(super) mod ops;
mod text;
