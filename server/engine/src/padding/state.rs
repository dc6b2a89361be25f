//! What is known of one value of the graph, with and without padding.

use super::content::Content;

/// What is known of a value.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// A tensor that is the same but for elements added at the end of some axes.
    Tensor(Longer),
    /// Whole numbers that are made of the length: good for shapes, and for nothing else.
    Length,
    /// It is changed, by this node and for this cause.
    Changed(usize, &'static str),
}

/// A tensor that is longer along some axes.
#[derive(Clone, Debug)]
pub(super) struct Longer {
    /// What the elements hold that it has without padding too.
    pub(super) real: Content,
    /// The axes that are longer; none where nothing is changed.
    pub(super) axes: Vec<Axis>,
}

/// An axis that is longer.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// Which one.
    pub(super) axis: usize,
    /// What the elements hold behind its true end, wherever they are along other axes.
    pub(super) pad: Content,
    /// What the elements hold at the anchor: a place before the true end at which all masks are 1 in every row;
    /// wherever they are along other axes.
    pub(super) anchor: Anchored,
}

/// What holds at the anchor.
#[derive(Clone, Debug)]
pub(super) struct Anchored {
    pub(super) content: Content,
    /// The inputs that this relies on being masks, a bit for each.
    pub(super) masks: u64,
}

impl Anchored {
    /// What holds wherever masks are.
    pub(super) const fn always(content: Content) -> Self {
        Self { content, masks: 0 }
    }
}

impl Longer {
    /// A tensor that nothing is changed of.
    pub(super) const fn same(real: Content) -> Self {
        Self { real, axes: Vec::new() }
    }

    /// The axis, where it is longer.
    pub(super) fn along(&self, axis: usize) -> Option<&Axis> {
        self.axes.iter().find(|longer| longer.axis == axis)
    }

    /// What all elements hold, added ones included.
    pub(super) fn all(&self) -> Content {
        self.axes.iter().fold(self.real.clone(), |all, axis| all.or(&axis.pad))
    }

    /// What the elements hold before the true end of `axis`.
    pub(super) fn before_end(&self, axis: usize) -> Content {
        let others = self.axes.iter().filter(|longer| longer.axis != axis);
        others.fold(self.real.clone(), |all, axis| all.or(&axis.pad))
    }

    /// As it is, with every content `f` of what it was, and nothing relied upon that does not matter.
    pub(super) fn map(&self, f: impl Fn(&Content) -> Content) -> Self {
        let axis = |longer: &Axis| Axis {
            axis: longer.axis,
            pad: f(&longer.pad),
            anchor: anchored(
                f(&self.before_end(longer.axis)),
                Anchored { content: f(&longer.anchor.content), masks: longer.anchor.masks },
            ),
        };
        Self { real: f(&self.real), axes: self.axes.iter().map(axis).collect() }
    }

    /// As it is, with the axes at other places; `None` where one has none.
    pub(super) fn moved(&self, place: impl Fn(usize) -> Option<usize>) -> Option<Self> {
        let moved = |longer: &Axis| Some(Axis { axis: place(longer.axis)?, ..longer.clone() });
        Some(Self { real: self.real.clone(), axes: self.axes.iter().map(moved).collect::<Option<_>>()? })
    }
}

/// What holds at an anchor: what holds everywhere where that is as good as what relies on masks.
pub(super) fn anchored(everywhere: Content, by_masks: Anchored) -> Anchored {
    let says_more = by_masks.content.number().is_some() && everywhere.number().is_none();
    if everywhere.is_tame() && !says_more { Anchored::always(everywhere) } else { by_masks }
}
