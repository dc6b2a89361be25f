//! `DepthToSpace` (since opset 1, `mode` since 11) and `SpaceToDepth` (since 1): blocks of pixels and channels.

use crate::{
    error::{OpError, Result},
    graph::Fact,
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
};

use super::{
    shapes::{known, one_fact, size, unknown},
    transpose::permuted,
};

pub(super) const OPS: &[OpDef] = &[
    OpDef::onnx("DepthToSpace", 1, |node| {
        let column_row = match node.string_or("mode", "DCR")? {
            "DCR" => false,
            "CRD" => true,
            other => {
                return Err(OpError::invalid(format!("attribute 'mode' must be DCR or CRD, got '{other}'")));
            }
        };
        boxed(Blocks { block: block(node)?, kind: if column_row { Kind::SpaceCrd } else { Kind::SpaceDcr } })
    }),
    OpDef::onnx("SpaceToDepth", 1, |node| boxed(Blocks { block: block(node)?, kind: Kind::Depth })),
];

fn block(node: &NodeDef<'_>) -> Result<usize> {
    let block = size(node.required_int("blocksize")?)?;
    if (1..=u16::MAX.into()).contains(&block) {
        return Ok(block);
    }
    Err(OpError::invalid(format!("attribute 'blocksize' must be at least 1, got {block}")))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    SpaceDcr,
    SpaceCrd,
    Depth,
}

#[derive(Debug)]
struct Blocks {
    block: usize,
    kind: Kind,
}

/// The input in six dimensions, their order in the result, and the result's shape.
struct Move {
    split: [usize; 6],
    order: [usize; 6],
    shape: [usize; 4],
}

impl Blocks {
    fn plan(&self, shape: &[usize]) -> Result<Move> {
        let b = self.block;
        let &[n, c, h, w] = shape else {
            return Err(OpError::invalid(format!("expected 4 dimensions, got {}", shape.len())));
        };
        let fits = if self.kind == Kind::Depth { h % b == 0 && w % b == 0 } else { c % (b * b) == 0 };
        let large = || OpError::TooLarge("the result is too large".into());
        let times = |size: usize, by: usize| size.checked_mul(by).ok_or_else(large);
        if !fits {
            return Err(OpError::invalid(format!("blocks of {b} do not fit shape {shape:?}")));
        }
        let deep = c / (b * b);
        Ok(match self.kind {
            Kind::SpaceDcr => Move {
                split: [n, b, b, deep, h, w],
                order: [0, 3, 4, 1, 5, 2],
                shape: [n, deep, times(h, b)?, times(w, b)?],
            },
            Kind::SpaceCrd => Move {
                split: [n, deep, b, b, h, w],
                order: [0, 1, 4, 2, 5, 3],
                shape: [n, deep, times(h, b)?, times(w, b)?],
            },
            Kind::Depth => Move {
                split: [n, c, h / b, b, w / b, b],
                order: [0, 3, 5, 1, 2, 4],
                shape: [n, times(c, b * b)?, h / b, w / b],
            },
        })
    }
}

impl Op for Blocks {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let shape = match inputs.get(0).and_then(Fact::concrete_shape) {
            Some(shape) => known(&self.plan(&shape)?.shape),
            None => unknown(4),
        };
        one_fact(inputs.elem(0), Some(shape))
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let Move { split, order, shape } = self.plan(input.shape())?;
        one(permuted(&input.reshape(&split[..])?, &order)?.reshape(&shape[..])?)
    }
}
