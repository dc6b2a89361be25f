//! From ONNX's order of dimensions to channels innermost, and back.

use girandole_kernels::layout;

use crate::{
    error::Result,
    graph::Fact,
    ops::{Facts, Inputs, Op, Outputs, RunContext, one, tensor::transpose::permuted},
    value::{ElemType, Tensor},
};

/// Where each dimension of `[batch, places..., channels]` stands in `[batch, channels, places...]`.
pub(crate) fn channels_last(rank: usize) -> Vec<usize> {
    let places = (2..rank).chain([1]).filter(|&axis| axis < rank);
    (0..1.min(rank)).chain(places).collect()
}

/// Where each dimension of `[batch, channels, places...]` stands in `[batch, places..., channels]`.
pub(crate) fn planes(rank: usize) -> Vec<usize> {
    let rest = (rank > 1).then_some(rank - 1).into_iter().chain(1..rank.saturating_sub(1));
    (0..1.min(rank)).chain(rest).collect()
}

/// Changes the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NhwcOrder {
    /// To channels innermost.
    ToChannels,
    /// To ONNX's order.
    ToPlanes,
}

impl NhwcOrder {
    fn order(self, rank: usize) -> Vec<usize> {
        match self {
            Self::ToChannels => channels_last(rank),
            Self::ToPlanes => planes(rank),
        }
    }
}

impl Op for NhwcOrder {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let shape = inputs.shape(0).map(|shape| {
            self.order(shape.len()).into_iter().filter_map(|axis| shape.get(axis).cloned()).collect()
        });
        Ok(vec![Fact::tensor(inputs.elem(0), shape)])
    }

    fn is_by_image(&self) -> bool {
        true
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let order = self.order(input.rank());
        let moving = order.iter().filter(|&&axis| input.shape()[axis] != 1);
        if input.elem() != ElemType::F32 || input.rank() < 3 || moving.is_sorted() {
            return one(permuted(input, &order)?);
        }
        let shape: Vec<usize> = order.iter().map(|&axis| input.shape()[axis]).collect();
        let data = input.view::<f32>()?;
        let made = match (self, &input.shape()[..]) {
            (Self::ToChannels, [batch, channels, places @ ..]) => {
                layout::to_channels(&data, *batch, *channels, places.iter().product())
            }
            (Self::ToPlanes, [batch, places @ .., channels]) => {
                layout::to_planes(&data, *batch, places.iter().product(), *channels)
            }
            _ => None,
        };
        one(Tensor::from_vec(shape, super::fits(made)?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_orders_undo_each_other() {
        for rank in 1..6 {
            let (there, back) = (channels_last(rank), planes(rank));
            assert!((0..rank).all(|axis| there[back[axis]] == axis), "{there:?} {back:?}");
        }
        assert_eq!(channels_last(4), [0, 2, 3, 1]);
    }

    #[test]
    fn images_of_every_rank_turn_there_and_back() {
        for shape in [&[2usize, 3, 4][..], &[2, 3, 4, 5], &[1, 3, 2, 3, 4], &[2, 5, 1, 1], &[3]] {
            let data: Vec<f32> = (0..shape.iter().product::<usize>()).map(|i| i as f32).collect();
            let tensor = Tensor::from_vec(shape, data.clone()).unwrap();
            let run = |order: NhwcOrder, tensor: Tensor| {
                let made = order.eval(Inputs::new(vec![Some(tensor.into())]), &RunContext::default());
                made.unwrap()[0].tensor().unwrap().clone()
            };
            let there = run(NhwcOrder::ToChannels, tensor.clone());
            assert_eq!(there.to_vec::<f32>().unwrap(), {
                let expected = permuted(&tensor, &channels_last(shape.len())).unwrap();
                expected.to_vec::<f32>().unwrap()
            });
            let back = run(NhwcOrder::ToPlanes, there);
            assert_eq!((&back.shape()[..], back.to_vec::<f32>().unwrap()), (shape, data));
        }
    }
}
