//! `Cast` and `CastLike`, between every two element types.

mod number;
pub(super) mod ops;
mod text;
