//! `LSTM` and `GRU`: one product for all steps' inputs, then all steps in one kernel that keeps the recurrent
//! weights on the chip, or, for more units than fit there, a product and a small kernel a step. Always in f32,
//! whose sums over many steps f16 would lose.

mod run;

use girandole_cuda::{Epilogue, Matmul, Matrix, Number};
use girandole_kernels::recurrent::Cell;
use smallvec::smallvec;

use run::Run;

use super::{DeviceOp, Given, Made, boxed};
use crate::{
    error::{OpError, Result},
    gpu::{
        context::Context,
        dtype::{Dtype, Precision},
        tensor::{DeviceTensor, Held},
        weights::{Form, Owner},
    },
    graph::Node,
    ops::nn::recurrent::{Recurrent as Host, Usual},
    passes::rewrite::operator,
    value::{ElemType, Tensor},
};

pub(super) fn find(step: usize, node: &Node) -> Option<Box<dyn DeviceOp>> {
    let usual = operator::<Host>(node)?.usual()?;
    boxed(Recurrent { step, usual })
}

#[derive(Debug)]
struct Recurrent {
    step: usize,
    usual: Usual,
}

/// The sizes of a layer.
#[derive(Clone, Copy)]
struct Sizes {
    steps: usize,
    batch: usize,
    input: usize,
    hidden: usize,
    directions: usize,
}

/// What a layer makes.
struct Results {
    all: DeviceTensor,
    hidden: DeviceTensor,
    cell: DeviceTensor,
}

impl DeviceOp for Recurrent {
    fn run(&self, context: &Context, inputs: &Given<'_>) -> Result<Option<Made>> {
        let fixed = [1, 2, 3].map(|i| inputs.get(i).map(|held| matches!(held, Held::Constant(..))));
        let unusual = inputs.get(4).is_some() || inputs.get(7).is_some();
        let Some(x) = inputs.device(context, 0)?.filter(|x| x.rank() == 3) else { return Ok(None) };
        if fixed.iter().flatten().any(|fixed| !fixed) || unusual || x.elem != ElemType::F32 {
            return Ok(None);
        }
        let x = context.dense(&context.cast(&x, Dtype::F32)?)?;
        let Some(sizes) = self.sizes(&x, inputs) else { return Ok(None) };
        // The states of two directions do not lie together where the batch comes first.
        if x.len() == 0 || (self.usual.batch_first && sizes.directions > 1) {
            return Ok(None);
        }
        let results = self.results(context, sizes)?;
        for direction in 0..sizes.directions {
            self.direction(context, inputs, &x, sizes, direction, &results)?;
        }
        let back = |tensor: &DeviceTensor| context.cast(tensor, context.precision.float()).map(Held::Device);
        let mut made: Made = smallvec![back(&results.all)?, back(&results.hidden)?];
        if self.usual.cell == Cell::Lstm {
            made.push(back(&results.cell)?);
        }
        Ok(Some(made))
    }
}

impl Recurrent {
    fn sizes(&self, x: &DeviceTensor, inputs: &Given<'_>) -> Option<Sizes> {
        let (&[directions, wide, input], &[.., hidden]) =
            (&inputs.get(1)?.shape()?[..], &inputs.get(2)?.shape()?[..])
        else {
            return None;
        };
        let [first, second, depth] = x.shape[..] else { return None };
        let (steps, batch) = if self.usual.batch_first { (second, first) } else { (first, second) };
        let gates = self.usual.cell.gates();
        let fits =
            directions == self.usual.directions && wide == gates * hidden && depth == input && hidden > 0;
        fits.then_some(Sizes { steps, batch, input, hidden, directions })
    }

    fn results(&self, context: &Context, sizes: Sizes) -> Result<Results> {
        let Sizes { steps, batch, hidden, directions, .. } = sizes;
        let empty = |shape: &[usize]| context.empty(ElemType::F32, Dtype::F32, shape);
        let (all, state) = if self.usual.batch_first {
            (empty(&[batch, steps, directions, hidden])?, [batch, directions, hidden])
        } else {
            (empty(&[steps, directions, batch, hidden])?, [directions, batch, hidden])
        };
        Ok(Results { all, hidden: empty(&state)?, cell: empty(&state)? })
    }

    fn direction(
        &self,
        context: &Context,
        inputs: &Given<'_>,
        x: &DeviceTensor,
        sizes: Sizes,
        direction: usize,
        results: &Results,
    ) -> Result<()> {
        let Sizes { steps, batch, hidden, .. } = sizes;
        let wide = self.usual.cell.gates() * hidden;
        let backwards = self.usual.reverse || direction == 1;
        let weights = self.weights(context, inputs, direction, sizes)?;
        let gates = context.empty(ElemType::F32, Dtype::F32, &[steps * batch, wide])?;
        product(
            context,
            x,
            &weights.input,
            weights.bias.as_ref(),
            &gates,
            [steps * batch, wide, sizes.input],
        )?;
        let state = |i: usize| -> Result<Option<DeviceTensor>> {
            let Some(held) = inputs.get(i) else { return Ok(None) };
            let Some(given) = context.device(held)? else { return Ok(None) };
            let given = context.dense(&context.cast(&given, Dtype::F32)?)?;
            Ok(Some(given.walked(&[batch, hidden], &[hidden.cast_signed(), 1], direction * batch * hidden)))
        };
        let run = Run {
            context,
            sizes,
            backwards,
            weights: &weights,
            gates: &gates,
            first: [state(5)?, state(6)?],
            all: results.all.walked(&[1], &[1], direction * self.apart(sizes)),
            last: [&results.hidden, &results.cell]
                .map(|last| last.walked(&[1], &[1], direction * batch * hidden)),
            from_step: if self.usual.batch_first { [steps * wide, wide] } else { [wide, batch * wide] },
            to_step: self.to_step(sizes),
        };
        match self.usual.cell {
            Cell::Lstm => run.lstm(),
            Cell::Gru => run.gru(),
        }
    }

    /// Elements from one direction's results to the other's.
    const fn apart(&self, sizes: Sizes) -> usize {
        if self.usual.batch_first { sizes.hidden } else { sizes.batch * sizes.hidden }
    }

    /// Elements of the results from one sequence, and from one step, to the next.
    const fn to_step(&self, sizes: Sizes) -> [usize; 2] {
        let Sizes { steps, batch, hidden, directions, .. } = sizes;
        if self.usual.batch_first {
            [steps * directions * hidden, directions * hidden]
        } else {
            [hidden, directions * batch * hidden]
        }
    }

    fn weights(
        &self,
        context: &Context,
        inputs: &Given<'_>,
        direction: usize,
        sizes: Sizes,
    ) -> Result<Parameters> {
        let Sizes { input, hidden, .. } = sizes;
        let wide = self.usual.cell.gates() * hidden;
        let part = |i: usize, len: usize| -> Result<Option<Vec<f32>>> {
            let Some(held) = inputs.get(i) else { return Ok(None) };
            let value = held.host().ok_or_else(|| OpError::invalid("weights must be fixed"))?;
            let all = value.tensor()?.view::<f32>()?;
            let part = all.get(direction * len..(direction + 1) * len).map(<[f32]>::to_vec);
            part.map(Some).ok_or_else(|| OpError::invalid("weights are shorter than their shape"))
        };
        let keep = |number: u8, shape: Vec<usize>, numbers: Vec<f32>| {
            context.weight(Owner::Step(self.step), Form::Recurrent(number, direction), || {
                context.raw(&Tensor::from_vec(shape, numbers)?)
            })
        };
        let required = |part: Option<Vec<f32>>| part.ok_or_else(|| OpError::invalid("weights are missing"));
        let bias = part(3, 2 * wide)?.map(|bias| self.biases(&bias, hidden));
        let (bias, candidate) = bias.map_or((None, None), |(bias, candidate)| (Some(bias), Some(candidate)));
        Ok(Parameters {
            input: keep(0, vec![wide, input], required(part(1, wide * input)?)?)?,
            recurrent: keep(1, vec![wide, hidden], required(part(2, wide * hidden)?)?)?,
            bias: bias.map(|bias| keep(2, vec![wide], bias)).transpose()?,
            candidate: candidate.map(|bias| keep(3, vec![hidden], bias)).transpose()?,
        })
    }

    /// What is added to every step's inputs, and what a GRU's reset gate applies to.
    fn biases(&self, bias: &[f32], hidden: usize) -> (Vec<f32>, Vec<f32>) {
        let (input, recurrent) = bias.split_at(bias.len() / 2);
        let joined = match self.usual.cell {
            Cell::Lstm => input.len(),
            Cell::Gru => 2 * hidden,
        };
        let sum = |(i, (a, b)): (usize, (&f32, &f32))| if i < joined { a + b } else { *a };
        let all = input.iter().zip(recurrent).enumerate().map(sum).collect();
        (all, recurrent.get(2 * hidden..3 * hidden).unwrap_or_default().to_vec())
    }
}

/// A direction's weights.
struct Parameters {
    input: DeviceTensor,
    recurrent: DeviceTensor,
    bias: Option<DeviceTensor>,
    candidate: Option<DeviceTensor>,
}

/// `out = a W^T + bias`; sizes are rows, columns and depth.
fn product(
    context: &Context,
    a: &DeviceTensor,
    weights: &DeviceTensor,
    bias: Option<&DeviceTensor>,
    out: &DeviceTensor,
    [m, n, k]: [usize; 3],
) -> Result<()> {
    let exact = context.precision == Precision::Fp32;
    context.matmul(&Matmul {
        m,
        n,
        k,
        batch: 1,
        number: if exact { Number::F32 } else { Number::Tf32 },
        wide: false,
        a: Matrix { at: a.at(), stride: k, turned: false, batch: 0 },
        b: Matrix { at: weights.at(), stride: k, turned: true, batch: 0 },
        out: Matrix { at: out.at(), stride: n, turned: false, batch: 0 },
        addend: None,
        bias: bias.map(DeviceTensor::at),
        epilogue: Epilogue::None,
        alpha: 1.0,
    })
}
