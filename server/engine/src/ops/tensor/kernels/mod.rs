//! The copies that the family is made of. Each takes a plan of places (plain numbers, computed once per
//! run and checked here) and moves elements of any type by it; operators need no code per element type.

mod blocks;
mod scatter;
mod select;
mod strided;

pub(super) use blocks::{join, take_blocks};
pub(super) use scatter::{Reduction, scatter};
pub(super) use select::{Pick, select};
pub use strided::Walk;
pub(super) use strided::strided;
