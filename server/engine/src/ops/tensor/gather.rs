//! `Gather`, since opset 1: the slices of one dimension that the indices name (negative ones since 11).

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymShape},
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{ElemType, Tensor, checked_len},
};

use super::{
    kernels::take_blocks,
    shapes::{axis, describes, index, one_fact, place},
};

pub(super) const OPS: &[OpDef] =
    &[OpDef::onnx("Gather", 1, |node| boxed(Gather { axis: node.int_or("axis", 0)? }))];

/// `Gather`.
#[derive(Debug)]
pub(crate) struct Gather {
    pub(crate) axis: i64,
}

impl Gather {
    /// The part of a list of sizes that constant indices name.
    fn contents(inputs: &Facts<'_>) -> Option<Fact> {
        let list = inputs.get(0).filter(|fact| fact.rank() == Some(1))?.dims.as_ref()?;
        let rank = inputs.get(1)?.rank().filter(|&rank| rank <= 1)?;
        let indices = inputs.get(1)?.constant_ints()?;
        let picked: Option<SymShape> =
            indices.into_iter().map(|i| Some(list[place(i, list.len())?].clone())).collect();
        (inputs.elem(0) == Some(ElemType::I64)).then(|| picked.map(|picked| describes(picked, rank == 0)))?
    }
}

impl Op for Gather {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        if let Some(fact) = Self::contents(inputs) {
            return Ok(vec![fact]);
        }
        let (Some(data), Some(indices)) = (inputs.shape(0), inputs.shape(1)) else {
            return one_fact(inputs.elem(0), None);
        };
        let axis = axis(self.axis, data.len())?;
        one_fact(inputs.elem(0), Some([&data[..axis], indices, &data[axis + 1..]].concat()))
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (data, indices) = (inputs.tensor(0)?, inputs.tensor(1)?);
        one(gather(data, indices, axis(self.axis, data.rank())?)?)
    }
}

fn gather(data: &Tensor, indices: &Tensor, axis: usize) -> Result<Tensor> {
    let (outer, rest) = data.shape().split_at(axis);
    let Some((&size, inner)) = rest.split_first() else {
        return Err(OpError::invalid("a scalar has no dimension to gather from"));
    };
    let shape = [outer, indices.shape(), inner].concat();
    if checked_len::<u8>(&shape)? == 0 {
        return take_blocks(data, &[], 0, shape);
    }
    let block: usize = inner.iter().product();
    let places = indices.to_ints()?;
    let places = places.into_iter().map(|i| index(i, size)).collect::<Result<Vec<_>>>()?;
    let rows = 0..outer.iter().product::<usize>();
    let starts: Vec<usize> =
        rows.flat_map(|row| places.iter().map(move |place| (row * size + place) * block)).collect();
    take_blocks(data, &starts, block, shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(shape: &[usize], data: &[i64]) -> Tensor {
        Tensor::from_vec(shape, data.to_vec()).unwrap()
    }

    #[test]
    fn slices_are_gathered_along_any_axis() {
        let data = tensor(&[2, 3], &[1, 2, 3, 4, 5, 6]);
        let rows = gather(&data, &tensor(&[2], &[1, -2]), 0).unwrap();
        assert_eq!(rows.to_vec::<i64>().unwrap(), [4, 5, 6, 1, 2, 3]);
        let columns = gather(&data, &tensor(&[1, 2], &[2, 0]), 1).unwrap();
        assert_eq!(
            (columns.shape()[..].to_vec(), columns.to_vec::<i64>().unwrap()),
            (vec![2, 1, 2], vec![3, 1, 6, 4])
        );
        assert_eq!(gather(&data, &tensor(&[], &[2]), 1).unwrap().to_vec::<i64>().unwrap(), [3, 6]);
    }

    #[test]
    fn an_index_out_of_range_is_an_error() {
        let data = tensor(&[2], &[1, 2]);
        for bad in [2, -3, i64::MIN, i64::MAX] {
            let error = gather(&data, &tensor(&[1], &[bad]), 0).unwrap_err();
            assert!(error.to_string().contains("out of range"), "{error}");
        }
        assert!(gather(&tensor(&[0], &[]), &tensor(&[1], &[0]), 0).is_err());
    }
}
