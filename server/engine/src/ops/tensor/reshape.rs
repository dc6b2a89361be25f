//! `Reshape` and `Flatten`: the same elements under another shape, without a copy.
//!
//! `Reshape` takes its shape as an attribute before opset 5, as an input since; `allowzero` since 14.
//! `Flatten` takes negative axes since 11.

use girandole_core::Shape;

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim, SymShape},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, Walk, boxed, one},
};

use super::{
    params::{IntList, Known},
    shapes::{contents, of_length, one_fact, place, unknown},
};

pub(super) const OPS: &[OpDef] = &[
    OpDef::onnx("Reshape", 1, |node| boxed(Reshape::parse(node)?)),
    OpDef::onnx("Flatten", 1, |node| boxed(Flatten { axis: node.int_or("axis", 1)? })),
];

/// `Reshape`.
#[derive(Debug)]
pub(crate) struct Reshape {
    shape: IntList,
    /// Whether 0 means a dimension of size 0 and not that of the input.
    allow_zero: bool,
}

impl Reshape {
    fn parse(node: &NodeDef<'_>) -> Result<Self> {
        Ok(Self { shape: IntList::parse(node, "shape", 1, 5)?, allow_zero: node.flag("allowzero", false)? })
    }

    /// The shape that `target` asks for.
    fn resolve(&self, input: &[usize], target: &[i64]) -> Result<Shape> {
        let misfit = || OpError::invalid(format!("cannot reshape {} to {target:?}", Shape::new(input)));
        let mut shape = Vec::with_capacity(target.len());
        let mut free = None;
        for (i, &dim) in target.iter().enumerate() {
            shape.push(match dim {
                0 if !self.allow_zero => *input.get(i).ok_or_else(misfit)?,
                -1 if free.is_none() => {
                    free = Some(i);
                    1
                }
                dim => usize::try_from(dim).map_err(|_| misfit())?,
            });
        }
        let shape_of = |shape: &[usize]| Shape::new(shape).elements().ok_or_else(misfit);
        if let Some(free) = free {
            let (all, rest) = (shape_of(input)?, shape_of(&shape)?);
            shape[free] = all.checked_div(rest).filter(|size| size * rest == all).ok_or_else(misfit)?;
        }
        if shape_of(&shape)? == shape_of(input)? { Ok(shape.into()) } else { Err(misfit()) }
    }

    /// The dimensions of the result, as far as those of the input and the target are known.
    fn dims(&self, input: Option<&SymShape>, target: &[Target]) -> SymShape {
        let given = |(i, target): (usize, &Target)| match target {
            Target::Dim(SymDim::Known(0)) if !self.allow_zero => {
                input.and_then(|dims| dims.get(i).cloned()).unwrap_or(SymDim::Unknown)
            }
            Target::Dim(dim) => dim.clone(),
            Target::Free => SymDim::Unknown,
        };
        let mut dims: SymShape = target.iter().enumerate().map(given).collect();
        // One dimension that is unknown, whether by -1 or else, takes what the others leave.
        let mut unknown = dims.iter().enumerate().filter(|(_, dim)| **dim == SymDim::Unknown).map(|(i, _)| i);
        let free = unknown.next().filter(|_| unknown.next().is_none());
        if let (Some(free), Some(input)) = (free, input) {
            let rest = dims.iter().enumerate().filter(|&(i, _)| i != free).map(|(_, dim)| dim);
            dims[free] = quotient(input.iter(), rest);
        }
        dims
    }
}

/// An element of the target shape, as far as it is known.
enum Target {
    Dim(SymDim),
    Free,
}

impl Op for Reshape {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let target: Option<Vec<Target>> = match self.shape.known(inputs) {
            Known::Given(ints) => Some(ints.into_iter().map(target).collect()),
            _ => contents(inputs.get(1)).map(|dims| dims.into_iter().map(Target::Dim).collect()),
        };
        let shape = target.map(|target| self.dims(inputs.shape(0), &target));
        let shape = shape.or_else(|| of_length(inputs.get(1)));
        // A scalar that becomes a vector of one, or the other way round, still describes the same shape.
        let dims = inputs.get(0).and_then(|fact| fact.dims.clone());
        let dims = dims.filter(|_| shape.as_ref().is_some_and(|shape| shape.len() <= 1));
        Ok(vec![Fact { dims, ..Fact::tensor(inputs.elem(0), shape) }])
    }

    fn movement(&self, shape: &[usize], inputs: &Inputs) -> Option<Result<Vec<Walk>>> {
        let target = self.shape.required(inputs, "shape").and_then(|target| self.resolve(shape, &target));
        Some(target.map(|target| vec![Walk::whole(&target)]))
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let target = self.shape.required(&inputs, "shape")?;
        one(input.reshape(self.resolve(input.shape(), &target)?)?)
    }
}

fn target(value: i64) -> Target {
    match value {
        -1 => Target::Free,
        value => Target::Dim(usize::try_from(value).map_or(SymDim::Unknown, SymDim::Known)),
    }
}

/// The product of `all` divided by that of `rest`, where it is one known or symbolic size.
fn quotient<'a>(all: impl Iterator<Item = &'a SymDim>, rest: impl Iterator<Item = &'a SymDim>) -> SymDim {
    let (Some(mut all), Some(rest)) = (Product::of(all), Product::of(rest)) else { return SymDim::Unknown };
    for symbol in rest.symbols {
        let Some(place) = all.symbols.iter().position(|own| *own == symbol) else { return SymDim::Unknown };
        all.symbols.swap_remove(place);
    }
    match (all.symbols.as_slice(), all.size.checked_div(rest.size)) {
        ([], Some(size)) if size * rest.size == all.size => SymDim::Known(size),
        ([symbol], Some(1)) if all.size == rest.size => (*symbol).clone(),
        _ => SymDim::Unknown,
    }
}

/// A product of known sizes and symbols.
struct Product<'a> {
    size: usize,
    symbols: Vec<&'a SymDim>,
}

impl<'a> Product<'a> {
    fn of(dims: impl Iterator<Item = &'a SymDim>) -> Option<Self> {
        let mut product = Self { size: 1, symbols: Vec::new() };
        for dim in dims {
            match dim {
                SymDim::Known(size) => product.size = product.size.checked_mul(*size)?,
                SymDim::Symbol(_) => product.symbols.push(dim),
                SymDim::Unknown => return None,
            }
        }
        Some(product)
    }
}

/// `Flatten`.
#[derive(Debug)]
pub(crate) struct Flatten {
    axis: i64,
}

impl Flatten {
    /// The dimension before which the result's second begins; it may be the rank.
    fn split(&self, rank: usize) -> Result<usize> {
        let end = i64::try_from(rank).is_ok_and(|rank| rank == self.axis);
        if end { Some(rank) } else { place(self.axis, rank) }.ok_or_else(|| {
            OpError::invalid(format!("axis {} is out of range for a tensor of {rank} dimensions", self.axis))
        })
    }
}

impl Op for Flatten {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let Some(shape) = inputs.shape(0) else { return one_fact(inputs.elem(0), Some(unknown(2))) };
        let (outer, inner) = shape.split_at(self.split(shape.len())?);
        let side = |dims: &[SymDim]| quotient(dims.iter(), [].iter());
        one_fact(inputs.elem(0), Some(vec![side(outer), side(inner)]))
    }

    fn movement(&self, shape: &[usize], _inputs: &Inputs) -> Option<Result<Vec<Walk>>> {
        Some(self.sides(shape).map(|sides| vec![Walk::whole(&sides)]))
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        one(input.reshape(self.sides(input.shape())?.to_vec())?)
    }
}

impl Flatten {
    /// The two dimensions of the result.
    fn sides(&self, shape: &[usize]) -> Result<[usize; 2]> {
        let (outer, inner) = shape.split_at(self.split(shape.len())?);
        let side = |dims: &[usize]| {
            Shape::new(dims).elements().ok_or_else(|| OpError::invalid("the shape is too large"))
        };
        Ok([side(outer)?, side(inner)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reshape(allow_zero: bool) -> Reshape {
        Reshape { shape: IntList::Input(1), allow_zero }
    }

    #[test]
    fn targets_resolve_against_the_input() {
        let resolve = |allow_zero, input: &[usize], target: &[i64]| {
            reshape(allow_zero).resolve(input, target).ok().map(|shape| shape.to_vec())
        };
        assert_eq!(resolve(false, &[2, 3, 4], &[0, -1]), Some(vec![2, 12]));
        assert_eq!(resolve(false, &[], &[-1]), Some(vec![1]));
        assert_eq!(resolve(true, &[0, 3], &[3, 0]), Some(vec![3, 0]));
        assert_eq!(resolve(false, &[0, 3], &[0, -1]), None);
        assert_eq!(resolve(false, &[2], &[2, 0]), None);
        assert_eq!(resolve(false, &[6], &[-1, -1]), None);
        assert_eq!(resolve(false, &[6], &[4, -1]), None);
        assert_eq!(resolve(false, &[6], &[i64::MAX, i64::MAX, -1]), None);
        assert_eq!(resolve(false, &[6], &[-2]), None);
    }

    #[test]
    fn symbols_survive_a_split_of_heads() {
        let b = || SymDim::Symbol("b".into());
        let input = vec![b(), SymDim::Known(7), SymDim::Known(768)];
        let target = [0, -1, 12, 64].map(target);
        let known = |size| SymDim::Known(size);
        assert_eq!(reshape(false).dims(Some(&input), &target), [b(), known(7), known(12), known(64)]);
        let target = [-1, 7, 768].map(super::target);
        assert_eq!(reshape(false).dims(Some(&input), &target), [b(), known(7), known(768)]);
        let target = [-1, 768].map(super::target);
        assert_eq!(reshape(false).dims(Some(&input), &target), [SymDim::Unknown, known(768)]);
    }
}
