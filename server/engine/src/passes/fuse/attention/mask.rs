//! What stands between the scores of an attention and their softmax: sums with masks, and conditions that
//! put a number in place of hidden scores.

use super::{RANK, Scores, scores};
use crate::{
    error::Result,
    graph::ValueId,
    ops::{
        fused::attention::Masking,
        math::binary::{arithmetic::Arithmetic, select::Where},
        microsoft::mask::Mask as AttentionMask,
    },
    passes::{
        fuse::expand::expanded,
        rewrite::{Edit, View},
    },
    value::{Bool, ElemType, Tensor},
};

/// The most sums and conditions that are looked through.
const DEPTH: usize = 4;

/// Below this, a number that is added to scores takes their place: no score changes it.
const ABSORBS: f32 = -1e30;

/// Elements of the largest condition whose mask is made when the model loads.
const LARGEST: usize = 1 << 20;

/// Scores and what is done to them.
pub(super) struct Masked {
    pub(super) scores: Scores,
    /// Added to the scores, after what hides some.
    added: Vec<ValueId>,
    hidden: Option<Hidden>,
    pub(super) causal: bool,
}

/// Scores that a number takes the place of.
struct Hidden {
    condition: ValueId,
    /// What the condition is where they are hidden.
    when: bool,
    number: f32,
}

impl Masked {
    /// What is done to scores that nobody else reads.
    pub(super) fn new(view: &View<'_>, value: ValueId) -> Option<Self> {
        Self::within(view, value, DEPTH)
    }

    fn within(view: &View<'_>, value: ValueId, depth: usize) -> Option<Self> {
        if let Some(scores) = scores(view, value) {
            return Some(Self { scores, added: Vec::new(), hidden: None, causal: false });
        }
        let depth = depth.checked_sub(1)?;
        if !view.is_private(value) {
            return None;
        }
        if let Some((node, Arithmetic::Add)) = view.made_by::<Arithmetic>(value) {
            let (a, b) = (node.input(0)?, node.input(1)?);
            let (inner, added) = Self::within(view, a, depth)
                .map(|inner| (inner, b))
                .or_else(|| Some((Self::within(view, b, depth)?, a)))?;
            return inner.plus(view, added);
        }
        let (node, _) = view.made_by::<Where>(value)?;
        let (condition, yes, no) = (node.input(0)?, node.input(1)?, node.input(2)?);
        let (inner, number, when) = match (view.scalar(yes), view.scalar(no)) {
            (None, Some(number)) => (yes, number, false),
            (Some(number), None) => (no, number, true),
            _ => return None,
        };
        Self::within(view, inner, depth)?.hide(view, Hidden { condition, when, number })
    }

    fn plus(mut self, view: &View<'_>, added: ValueId) -> Option<Self> {
        if let Some((node, AttentionMask { causal: true, .. })) = view.made_by::<AttentionMask>(added)
            && node.input(AttentionMask::GIVEN).is_none()
        {
            self.causal = true;
            return Some(self);
        }
        let absorbed = self.hidden.as_ref().is_none_or(|hidden| hidden.number <= ABSORBS);
        let fits = view.elem(added)? == ElemType::F32 && view.shape(added)?.len() <= RANK;
        self.added.push(added);
        (fits && absorbed).then_some(self)
    }

    fn hide(mut self, view: &View<'_>, hidden: Hidden) -> Option<Self> {
        let alone = self.added.is_empty() && self.hidden.is_none() && !self.causal;
        let fits = view.shape(hidden.condition)?.len() <= RANK && hidden.number < 0.0;
        self.hidden = Some(hidden);
        (alone && fits).then_some(self)
    }

    /// What the mask does.
    pub(super) const fn masking(&self) -> Masking {
        if self.added.is_empty() { Masking::Replace } else { Masking::Add }
    }

    /// One mask for all of it, made by new nodes.
    pub(super) fn mask(&self, view: &View<'_>, edit: &mut Edit) -> Result<Option<ValueId>> {
        // What a mask repeats broadcasts as well as it.
        let source = |id: ValueId| expanded(view, id).map_or(id, |(source, _)| source);
        let mut all: Vec<ValueId> = self.added.iter().map(|&id| source(id)).collect();
        if let Some(hidden) = &self.hidden {
            all.push(hidden.mask(view, source(hidden.condition), edit)?);
        }
        Ok(all.into_iter().reduce(|a, b| edit.node("Add", Arithmetic::Add, [Some(a), Some(b)])))
    }
}

impl Hidden {
    /// The number where scores are hidden, else 0.
    fn mask(&self, view: &View<'_>, condition: ValueId, edit: &mut Edit) -> Result<ValueId> {
        let numbers = if self.when { [self.number, 0.0] } else { [0.0, self.number] };
        if let Some(condition) = view.constant(condition).filter(|condition| condition.len() <= LARGEST) {
            let number = |holds: &Bool| numbers[usize::from(!holds.get())];
            let made = condition.view::<Bool>()?.iter().map(number).collect();
            return Ok(edit.constant(Tensor::from_vec(condition.shape().clone(), made)?));
        }
        let [yes, no] = numbers.map(Tensor::scalar);
        let (yes, no) = (edit.constant(yes?), edit.constant(no?));
        Ok(edit.node("Where", Where, [Some(condition), Some(yes), Some(no)]))
    }
}
