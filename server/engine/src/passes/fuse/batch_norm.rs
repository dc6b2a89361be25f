//! What multiplies and adds one number for each channel after a convolution goes into its weights and bias:
//! `BatchNormalization` with given statistics, and arithmetic with constants.

use crate::{
    graph::{Node, ValueId},
    ops::{
        math::binary::arithmetic::Arithmetic,
        nn::{batch_norm::BatchNorm, conv::Conv, conv_transpose::ConvTranspose},
    },
    passes::rewrite::{Edit, View, operator},
    value::Tensor,
};

/// A factor and a summand for each channel.
type Affine = Vec<(f64, f64)>;

/// An affine function of a convolution that nobody else reads.
pub(super) fn into_weights(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let sums = [root.input(0), root.input(1)].into_iter().flatten().find(|&id| is_convolution(view, id))?;
    if !view.is_private(sums) {
        return None;
    }
    let maker = view.maker(sums)?;
    let filters = Filters::of(view, maker)?;
    let affine = affine(view, root, sums, filters.channels())?;
    let weights = edit.constant(filters.scaled(&affine)?);
    let bias = edit.constant(filters.shifted(&affine)?);
    let inputs = [maker.input(0), Some(weights), Some(bias)];
    if let Some(op) = operator::<Conv>(maker) {
        edit.node_into("Conv", op.clone(), inputs, root.outputs.clone());
    } else if let Some(op) = operator::<ConvTranspose>(maker) {
        edit.node_into("ConvTranspose", op.clone(), inputs, root.outputs.clone());
    }
    Some(())
}

fn is_convolution(view: &View<'_>, id: ValueId) -> bool {
    view.made_by::<Conv>(id).is_some() || view.made_by::<ConvTranspose>(id).is_some()
}

/// The constant weights and bias of a convolution, f32.
struct Filters<'g> {
    weights: &'g Tensor,
    bias: Option<&'g Tensor>,
    groups: usize,
    transposed: bool,
}

impl<'g> Filters<'g> {
    fn of(view: &View<'g>, node: &Node) -> Option<Self> {
        let weights = view.constant(node.input(1)?)?;
        let bias = match node.input(2) {
            Some(id) => Some(view.constant(id)?),
            None => None,
        };
        let (groups, transposed) = match (operator::<Conv>(node), operator::<ConvTranspose>(node)) {
            (Some(op), _) => (op.groups, false),
            (_, Some(op)) => (op.groups, true),
            _ => return None,
        };
        let filters = Self { weights, bias, groups, transposed };
        let known = weights.rank() > 2 && bias.is_none_or(|bias| bias.len() == filters.channels());
        (known && weights.view::<f32>().is_ok() && weights.shape()[0].is_multiple_of(groups))
            .then_some(filters)
    }

    /// Output channels.
    fn channels(&self) -> usize {
        let shape = self.weights.shape();
        if self.transposed { shape[1].saturating_mul(self.groups) } else { shape[0] }
    }

    fn scaled(&self, affine: &Affine) -> Option<Tensor> {
        let weights = self.weights.view::<f32>().ok()?;
        let shape = self.weights.shape();
        let taps: usize = shape.iter().skip(2).product();
        // Of a transposed convolution the rows are input channels, those of a group one after the other.
        let together = if self.transposed { taps } else { shape[1].saturating_mul(taps) };
        let channel = |part: usize| {
            let (row, column) = (part / shape[1], part % shape[1]);
            if self.transposed { row / (shape[0] / self.groups) * shape[1] + column } else { part }
        };
        let mut scaled = Vec::with_capacity(weights.len());
        for (part, weights) in weights.chunks(together.max(1)).enumerate() {
            let (factor, _) = affine.get(channel(part))?;
            scaled.extend(weights.iter().map(|&weight| (f64::from(weight) * factor) as f32));
        }
        Tensor::from_vec(shape.clone(), scaled).ok()
    }

    fn shifted(&self, affine: &Affine) -> Option<Tensor> {
        let bias = self.bias.map(Tensor::view::<f32>).transpose().ok()?;
        let at = |channel: usize| bias.as_ref().and_then(|bias| bias.get(channel)).copied().unwrap_or(0.0);
        let shift = |(channel, (factor, summand)): (usize, &(f64, f64))| {
            (f64::from(at(channel)) * factor + summand) as f32
        };
        Tensor::from_vec(vec![affine.len()], affine.iter().enumerate().map(shift).collect()).ok()
    }
}

/// What the root makes of `sums`, where it is affine by channel.
fn affine(view: &View<'_>, root: &Node, sums: ValueId, channels: usize) -> Option<Affine> {
    if let Some(op) = operator::<BatchNorm>(root) {
        return (root.input(0) == Some(sums)).then(|| normalised(view, root, op, channels))?;
    }
    let op = *operator::<Arithmetic>(root)?;
    let other = root.other_input(sums)?;
    let first = root.input(0) == Some(sums);
    let numbers = by_channel(view.constant(other)?, view.fact(sums).rank()?, channels)?;
    let of = |number: f64| match op {
        Arithmetic::Add => Some((1.0, number)),
        Arithmetic::Mul => Some((number, 0.0)),
        Arithmetic::Sub => Some(if first { (1.0, -number) } else { (-1.0, number) }),
        Arithmetic::Div => (first && number != 0.0).then(|| (1.0 / number, 0.0)),
    };
    numbers.into_iter().map(of).collect()
}

fn normalised(view: &View<'_>, root: &Node, op: &BatchNorm, channels: usize) -> Option<Affine> {
    let parameter = |i: usize| view.constant(root.input(i)?);
    let affine = op.fixed([parameter(1)?, parameter(2)?, parameter(3)?, parameter(4)?])?;
    (affine.len() == channels).then_some(affine)
}

/// A constant's number for each channel of images of this rank; `None` where it differs between places, or
/// broadcasting would make the images larger.
fn by_channel(constant: &Tensor, rank: usize, channels: usize) -> Option<Vec<f64>> {
    let numbers = constant.view::<f32>().ok()?;
    let axis = (constant.rank() + 1).checked_sub(rank);
    let only_channels = constant.shape().iter().enumerate().all(|(i, &dim)| dim == 1 || Some(i) == axis);
    if constant.rank() > rank || !only_channels {
        return None;
    }
    match numbers.len() {
        1 => Some(vec![f64::from(numbers[0]); channels]),
        len if len == channels => Some(numbers.iter().map(|&number| f64::from(number)).collect()),
        _ => None,
    }
}
