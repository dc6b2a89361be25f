//! Weights that rules have packed, so that the nodes that share a weight in the file share what is made of it.
//!
//! A network whose layers share weights (ALBERT's twelve are one) would else hold each as often as it is read.

use std::{cell::RefCell, collections::HashMap};

use crate::{graph::ValueId, ops::fused::linear::Linear};

/// How a matrix is taken: turned or not, and times a number, as its bits.
type Form = (bool, u32);

/// What was made of the constants of one graph.
#[derive(Debug, Default)]
pub(crate) struct Packs {
    products: RefCell<HashMap<(ValueId, Form), Linear>>,
}

impl Packs {
    /// The product with a constant matrix, packed the first time that it is asked for.
    pub(crate) fn product(
        &self,
        id: ValueId,
        turned: bool,
        scale: f32,
        pack: impl FnOnce() -> Option<Linear>,
    ) -> Option<Linear> {
        let key = (id, (turned, scale.to_bits()));
        if let Some(packed) = self.products.borrow().get(&key) {
            return Some(packed.clone());
        }
        let packed = pack()?;
        self.products.borrow_mut().insert(key, packed.clone());
        Some(packed)
    }
}
