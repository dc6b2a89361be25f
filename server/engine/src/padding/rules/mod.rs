//! What operators make of tensors that are longer: a family in a file. Each rule says which axes of the outputs are
//! longer and what they hold there, or why elements that were there before are changed; `None` is no operator of the
//! family.

mod arithmetic;
mod index;
mod movement;
mod pointwise;
mod product;
mod reduce;
mod reshape;
mod rows;
mod shaped;

use super::scope::{Made, Scope};

/// A family's rule.
type Rule = fn(&mut Scope<'_>) -> Option<Made>;

/// The rule of those that take shapes and may be given what is made of the length.
const SHAPED: &[Rule] = &[reshape::rule, shaped::rule, movement::slice];

/// The rules of those that take tensors.
const TENSORS: &[Rule] =
    &[pointwise::rule, movement::rule, index::rule, product::rule, reduce::rule, rows::rule];

/// What a node makes; `None` where no rule knows its operator.
pub(super) fn apply(scope: &mut Scope<'_>, lengths: bool) -> Option<Made> {
    let tensors = if lengths { &[] } else { TENSORS };
    SHAPED.iter().chain(tensors).find_map(|rule| rule(scope))
}
