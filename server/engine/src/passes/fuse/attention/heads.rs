//! Where the elements of a value lie in the value that it was reshaped and transposed from.
//!
//! A value's axes are groups of atoms, parts of axes of its origin. A transpose moves groups, a reshape cuts
//! the same row of atoms into other groups, a split or a slice leaves part of one, an expansion adds atoms that
//! stand still; so a head of a projection, and however an exporter turns it, is found where the projection
//! left it.

use std::collections::VecDeque;

use crate::{
    graph::{Node, SymDim, SymShape, ValueId},
    ops::{
        math::binary::arithmetic::Arithmetic,
        tensor::{
            expand::Expand,
            gather::Gather,
            reshape::{Flatten, Reshape},
            shapes,
            slice::Slice,
            split::Split,
            squeeze::{Squeeze, Unsqueeze},
            transpose::Transpose,
        },
    },
    passes::rewrite::{View, operator},
    value::{ElemType, Tensor},
};

/// The most nodes between a value and its origin.
const LONGEST: usize = 16;

/// A part of an axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::passes::fuse) struct Atom {
    /// The origin's axis.
    pub(in crate::passes::fuse) axis: usize,
    /// Places of the axis from one index of this part to the next; 0 where all its indices are one place.
    pub(in crate::passes::fuse) inner: usize,
    /// Indices.
    pub(in crate::passes::fuse) size: SymDim,
}

/// A value as its origin's elements.
#[derive(Clone, Debug)]
pub(in crate::passes::fuse) struct Traced {
    pub(in crate::passes::fuse) origin: ValueId,
    /// The atoms of each axis of the value, those of one index left out.
    pub(in crate::passes::fuse) axes: Vec<Vec<Atom>>,
    /// Axes of the origin whose first places are not the value's, and how many those are.
    pub(in crate::passes::fuse) starts: Vec<(usize, usize)>,
    /// The numbers that the origin's are multiplied with.
    pub(in crate::passes::fuse) scale: f32,
}

impl Traced {
    /// An `f32` value traced as far back as possible; `None` where its rank is unknown.
    pub(in crate::passes::fuse) fn new(view: &View<'_>, value: ValueId) -> Option<Self> {
        let mut chain = Vec::new();
        let mut origin = value;
        while chain.len() < LONGEST
            && let Some((node, input)) = moved(view, origin)
        {
            chain.push((node, input, origin));
            origin = input;
        }
        let mut traced = Self::start(view, origin);
        for (node, input, made) in chain.into_iter().rev() {
            traced = traced
                .and_then(|traced| traced.through(view, node, input, made))
                .or_else(|| Self::start(view, made));
        }
        traced.filter(|traced| view.elem(traced.origin) == Some(ElemType::F32))
    }

    fn start(view: &View<'_>, value: ValueId) -> Option<Self> {
        let atom = |(axis, size): (usize, &SymDim)| match size {
            SymDim::Known(1) => Vec::new(),
            size => vec![Atom { axis, inner: 1, size: size.clone() }],
        };
        let axes = view.shape(value)?.iter().enumerate().map(atom).collect();
        Some(Self { origin: value, axes, starts: Vec::new(), scale: 1.0 })
    }

    fn through(mut self, view: &View<'_>, node: &Node, input: ValueId, made: ValueId) -> Option<Self> {
        if let Some(transpose) = operator::<Transpose>(node) {
            let order = transpose.order(self.axes.len()).ok()?;
            self.axes = order.into_iter().map(|axis| self.axes[axis].clone()).collect();
            return Some(self);
        }
        if let Some(arithmetic) = operator::<Arithmetic>(node) {
            let factor = view.scalar(node.other_input(input)?)?;
            let same_rank = view.shape(made)?.len() == self.axes.len();
            self.scale *= if matches!(arithmetic, Arithmetic::Div) { 1.0 / factor } else { factor };
            return same_rank.then_some(self);
        }
        if operator::<Expand>(node).is_some() {
            return self.expanded(view.shape(input)?, view.shape(made)?);
        }
        if let Some(gather) = operator::<Gather>(node) {
            return self.selected(gather, view.constant(node.input(1)?)?);
        }
        if let Some(part) = part_of(view, node, made) {
            self.cut(part)?;
            return Some(self);
        }
        let atoms = self.axes.into_iter().flatten().collect();
        Some(Self { axes: regroup(atoms, view.shape(made)?)?, ..self })
    }

    /// Axes of one index repeated; no more of them than before.
    fn expanded(mut self, before: &SymShape, after: &SymShape) -> Option<Self> {
        if before.len() != after.len() || self.axes.len() != after.len() {
            return None;
        }
        for (axis, (before, after)) in self.axes.iter_mut().zip(before.iter().zip(after)) {
            match after {
                after if before == after && *after != SymDim::Unknown => {}
                SymDim::Known(_) if axis.is_empty() => {
                    *axis = vec![Atom { axis: 0, inner: 0, size: after.clone() }];
                }
                _ => return None,
            }
        }
        Some(self)
    }

    /// One index of an axis, which goes.
    fn selected(mut self, gather: &Gather, index: &Tensor) -> Option<Self> {
        let axis = shapes::axis(gather.axis, self.axes.len()).ok()?;
        let [index] = index.to_ints().ok().filter(|_| index.rank() == 0)?[..] else { return None };
        let size = size_of(self.axes.get(axis)?)?;
        let begin = shapes::place(index, size)?;
        self.cut(Part { axis, begin, len: 1 })?;
        self.axes.remove(axis);
        Some(self)
    }

    /// Some neighbouring indices of an axis, which must be whole indices of the first of its atoms.
    fn cut(&mut self, Part { axis, begin, len }: Part) -> Option<()> {
        let group = self.axes.get_mut(axis)?;
        let Some((first, rest)) = group.split_first_mut() else {
            return (begin == 0 && len == 1).then_some(());
        };
        let unit = size_of(rest).filter(|&unit| unit > 0)?;
        let size = first.size.known()?;
        let (begin, len, fits) =
            (begin / unit, len / unit, begin.is_multiple_of(unit) && len.is_multiple_of(unit));
        if !fits || len == 0 || begin.checked_add(len)? > size {
            return None;
        }
        self.starts.push((first.axis, begin.checked_mul(first.inner)?));
        first.size = SymDim::Known(len);
        if len == 1 {
            group.remove(0);
        }
        Some(())
    }
}

/// Neighbouring indices of an axis.
pub(in crate::passes::fuse) struct Part {
    pub(in crate::passes::fuse) axis: usize,
    pub(in crate::passes::fuse) begin: usize,
    pub(in crate::passes::fuse) len: usize,
}

/// The part of its input that a split or a slice makes, where that is known.
pub(in crate::passes::fuse) fn part_of(view: &View<'_>, node: &Node, made: ValueId) -> Option<Part> {
    let facts = view.facts(node);
    let (axis, begin) = if let Some(split) = operator::<Split>(node) {
        split.begin(&facts, node.outputs.iter().position(|output| *output == Some(made))?)?
    } else {
        operator::<Slice>(node)?.only_cut(&facts)?
    };
    Some(Part { axis, begin, len: view.shape(made)?.get(axis)?.known()? })
}

/// The indices that atoms have together.
fn size_of(atoms: &[Atom]) -> Option<usize> {
    atoms.iter().try_fold(1usize, |all, atom| all.checked_mul(atom.size.known()?))
}

/// The node that makes a value by moving another's elements, or by scaling them, and that other.
fn moved<'g>(view: &View<'g>, value: ValueId) -> Option<(&'g Node, ValueId)> {
    let node = view.maker(value)?;
    let moves = operator::<Transpose>(node).is_some()
        || operator::<Expand>(node).is_some()
        || operator::<Gather>(node).is_some()
        || operator::<Split>(node).is_some()
        || operator::<Slice>(node).is_some()
        || operator::<Reshape>(node).is_some()
        || operator::<Flatten>(node).is_some()
        || operator::<Squeeze>(node).is_some()
        || operator::<Unsqueeze>(node).is_some();
    if moves {
        return Some((node, node.input(0)?));
    }
    let (a, b) = (node.input(0)?, node.input(1)?);
    match operator::<Arithmetic>(node)? {
        Arithmetic::Mul if view.scalar(a).is_some() => Some((node, b)),
        Arithmetic::Mul | Arithmetic::Div if view.scalar(b).is_some() => Some((node, a)),
        _ => None,
    }
}

/// The atoms in groups of the sizes that `target` says, of which one may be unknown, or have a name that no atom has:
/// tools that infer shapes name what they do not know.
fn regroup(mut atoms: VecDeque<Atom>, target: &[SymDim]) -> Option<Vec<Vec<Atom>>> {
    let is_known = |dim: &SymDim| dim.known().is_some() || atoms.iter().any(|atom| atom.size == *dim);
    let unknown = target.iter().position(|dim| !is_known(dim));
    let (front, back) = match unknown {
        Some(place) => (&target[..place], &target[place + 1..]),
        None => (target, &[][..]),
    };
    let mut groups = front.iter().map(|dim| take(&mut atoms, dim, End::Front)).collect::<Option<Vec<_>>>()?;
    let ends = back.iter().rev().map(|dim| take(&mut atoms, dim, End::Back));
    let ends = ends.collect::<Option<Vec<_>>>()?;
    if unknown.is_some() {
        groups.push(std::mem::take(&mut atoms).into());
    }
    groups.extend(ends.into_iter().rev());
    atoms.is_empty().then_some(groups)
}

#[derive(Clone, Copy, PartialEq)]
enum End {
    Front,
    Back,
}

/// Takes atoms of `dim` indices together off one end.
fn take(atoms: &mut VecDeque<Atom>, dim: &SymDim, end: End) -> Option<Vec<Atom>> {
    let mut group = VecDeque::new();
    let mut left = match dim {
        SymDim::Known(size) => *size,
        SymDim::Symbol(_) => {
            let atom = if end == End::Front { atoms.pop_front() } else { atoms.pop_back() };
            return atom.filter(|atom| atom.size == *dim).map(|atom| vec![atom]);
        }
        SymDim::Unknown => return None,
    };
    while left > 1 {
        let atom = if end == End::Front { atoms.pop_front()? } else { atoms.pop_back()? };
        let size = atom.size.known()?;
        let taken = if left.is_multiple_of(size) { atom } else { cut(atoms, &atom, (size, left), end)? };
        left /= taken.size.known()?;
        match end {
            End::Front => group.push_back(taken),
            End::Back => group.push_front(taken),
        }
    }
    Some(group.into())
}

/// Cuts `wanted` indices off an atom of `size`, and puts back the rest.
fn cut(atoms: &mut VecDeque<Atom>, atom: &Atom, (size, wanted): (usize, usize), end: End) -> Option<Atom> {
    if !size.is_multiple_of(wanted) {
        return None;
    }
    let (outer_size, inner_size) =
        if end == End::Front { (wanted, size / wanted) } else { (size / wanted, wanted) };
    let outer = Atom { inner: atom.inner * inner_size, axis: atom.axis, size: SymDim::Known(outer_size) };
    let inner = Atom { axis: atom.axis, inner: atom.inner, size: SymDim::Known(inner_size) };
    match end {
        End::Front => {
            atoms.push_front(inner);
            Some(outer)
        }
        End::Back => {
            atoms.push_back(outer);
            Some(inner)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn atom(axis: usize, inner: usize, size: SymDim) -> Atom {
        Atom { axis, inner, size }
    }

    fn symbol(name: &str) -> SymDim {
        SymDim::Symbol(name.into())
    }

    #[test]
    fn a_row_of_atoms_is_cut_and_joined() {
        let known = SymDim::Known;
        let (b, s) = (|| atom(0, 1, symbol("b")), || atom(1, 1, symbol("s")));
        let split = [symbol("b"), symbol("s"), known(12), known(32)];
        let heads = regroup([b(), s(), atom(2, 1, known(384))].into(), &split).unwrap();
        let (head, column) = (atom(2, 32, known(12)), atom(2, 1, known(32)));
        assert_eq!(heads, [vec![b()], vec![s()], vec![head.clone()], vec![column.clone()]]);
        let joined = [SymDim::Unknown, symbol("s"), known(32)];
        let merged = regroup([b(), head.clone(), s(), column.clone()].into(), &joined).unwrap();
        assert_eq!(merged, [vec![b(), head.clone()], vec![s()], vec![column.clone()]]);
        let named = [symbol("tool"), symbol("s"), known(32)];
        assert_eq!(regroup([b(), head.clone(), s(), column.clone()].into(), &named).unwrap(), merged);
        let flat = regroup([head.clone(), column].into(), &[known(1), known(96), known(4)]).unwrap();
        assert_eq!(flat, [vec![], vec![head, atom(2, 4, known(8))], vec![atom(2, 1, known(4))]]);
    }

    #[test]
    fn what_cannot_be_told_apart_is_not_cut() {
        let known = SymDim::Known;
        let row = || VecDeque::from([atom(0, 1, symbol("b")), atom(1, 1, known(6))]);
        assert_eq!(regroup(row(), &[symbol("s"), symbol("t"), known(6)]), None);
        assert_eq!(regroup(row(), &[symbol("b"), known(4)]), None);
        assert_eq!(regroup(row(), &[symbol("b")]), None);
        assert_eq!(regroup(row(), &[SymDim::Unknown, SymDim::Unknown]), None);
    }
}
