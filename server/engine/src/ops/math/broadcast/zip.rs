//! Elementwise loops over two or three inputs that broadcast.

use super::walk::Walk;
use crate::{
    error::Result,
    ops::math::parallel::{allocate, fill},
    value::{ElemType, Element, Tensor},
};

/// `f` of each pair of elements.
///
/// # Errors
/// `Invalid` where a tensor holds another type or the shapes do not broadcast.
pub(crate) fn zip<A, B, C>(a: &Tensor, b: &Tensor, f: impl Fn(&A, &B) -> C + Sync) -> Result<Tensor>
where
    A: Element,
    B: Element,
    C: Element,
{
    let walk = Walk::new([a.shape(), b.shape()])?;
    let (a, b) = (a.view::<A>()?, b.view::<B>()?);
    let (a, b): (&[A], &[B]) = (&a, &b);
    let mut out = allocate::<C>(walk.shape())?;
    fill(&mut out, 1, &|start, chunk| {
        walk.runs(start, chunk, |run, [at_a, at_b]| {
            run_of_two(run, &a[at_a..], &b[at_b..], walk.moves(), &f)
        });
    });
    Tensor::from_vec(walk.shape().clone(), out)
}

/// One run. The loops that vectorise are there only for the type that most models compute in: they are
/// many, and each type and function would have its own.
#[inline(always)]
fn run_of_two<A: Element, B: Element, C>(
    run: &mut [C],
    a: &[A],
    b: &[B],
    moves: [bool; 2],
    f: &impl Fn(&A, &B) -> C,
) {
    if const { matches!(A::ELEM, ElemType::F32) } {
        match (moves, a, b) {
            ([true, true], a, b) => run.iter_mut().zip(a).zip(b).for_each(|((to, a), b)| *to = f(a, b)),
            ([true, false], a, [b, ..]) => run.iter_mut().zip(a).for_each(|(to, a)| *to = f(a, b)),
            ([false, _], [a, ..], b) if moves[1] => {
                run.iter_mut().zip(b).for_each(|(to, b)| *to = f(a, b));
            }
            (_, [a, ..], [b, ..]) => run.iter_mut().for_each(|to| *to = f(a, b)),
            _ => {}
        }
        return;
    }
    let [step_a, step_b] = moves.map(usize::from);
    for (i, to) in run.iter_mut().enumerate() {
        *to = f(&a[i * step_a], &b[i * step_b]);
    }
}

/// `f` of each triple of elements.
///
/// # Errors
/// As [`zip`].
pub(crate) fn zip3<A, B, C, D>([a, b, c]: [&Tensor; 3], f: impl Fn(&A, &B, &C) -> D + Sync) -> Result<Tensor>
where
    A: Element,
    B: Element,
    C: Element,
    D: Element,
{
    let walk = Walk::new([a.shape(), b.shape(), c.shape()])?;
    let (a, b, c) = (a.view::<A>()?, b.view::<B>()?, c.view::<C>()?);
    let (a, b, c): (&[A], &[B], &[C]) = (&a, &b, &c);
    let steps = walk.moves().map(usize::from);
    let mut out = allocate::<D>(walk.shape())?;
    fill(&mut out, 1, &|start, chunk| {
        walk.runs(start, chunk, |run, at| {
            for (i, to) in run.iter_mut().enumerate() {
                let [at_a, at_b, at_c]: [usize; 3] = std::array::from_fn(|n| at[n] + i * steps[n]);
                *to = f(&a[at_a], &b[at_b], &c[at_c]);
            }
        });
    });
    Tensor::from_vec(walk.shape().clone(), out)
}
