//! `DictVectorizer` and `CastMap`: maps become rows of a tensor again. ONNX-ML 1.
//!
//! The maps are those that `ZipMap` makes inside the same graph, one row each; maps do not travel, so that no
//! client can send one.

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, math::cast::ops::plain, one},
    value::{ElemType, Maps, Tensor, Text, Value, checked_len, dispatch},
};

pub(super) const OPS: &[OpDef] = &[OpDef::ml("DictVectorizer", 1, vectorizer), OpDef::ml("CastMap", 1, cast)];

/// Which value stands in each column, by its key.
#[derive(Debug)]
enum Columns {
    Ints(Vec<i64>),
    Texts(Vec<Text>),
    /// All, in the order of their keys.
    Sorted,
}

#[derive(Debug)]
struct Rows {
    columns: Columns,
    /// The type of the result; `None` is the values' own.
    to: Option<ElemType>,
}

fn vectorizer(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let columns = match (node.ints("int64_vocabulary")?, node.texts("string_vocabulary")?) {
        (Some(ints), None) => Columns::Ints(ints),
        (None, Some(texts)) => Columns::Texts(texts),
        _ => return Err(OpError::invalid("one of int64_vocabulary and string_vocabulary is expected")),
    };
    boxed(Rows { columns, to: None })
}

fn cast(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let to = match node.string_or("cast_to", "TO_FLOAT")? {
        "TO_FLOAT" => ElemType::F32,
        "TO_INT64" => ElemType::I64,
        "TO_STRING" => ElemType::String,
        other => return Err(OpError::invalid(format!("cast_to '{other}' is none of ONNX-ML"))),
    };
    let columns = match node.string_or("map_form", "DENSE")? {
        "DENSE" => Columns::Sorted,
        "SPARSE" => {
            let most = usize::try_from(node.int_or("max_map", 1)?).ok().filter(|&most| most > 0);
            let most = most.ok_or_else(|| OpError::invalid("max_map must be above 0"))?;
            checked_len::<i64>(&[most])?;
            Columns::Ints((0..most as i64).collect())
        }
        other => return Err(OpError::invalid(format!("map_form '{other}' is none of ONNX-ML"))),
    };
    boxed(Rows { columns, to: Some(to) })
}

impl Op for Rows {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let columns = match &self.columns {
            Columns::Ints(all) => SymDim::Known(all.len()),
            Columns::Texts(all) => SymDim::Known(all.len()),
            Columns::Sorted => inputs.shape(0).and_then(|s| s.last().cloned()).unwrap_or(SymDim::Unknown),
        };
        let shape = inputs.shape(0).and_then(|shape| Some(vec![shape.first()?.clone(), columns]));
        Ok(vec![Fact::tensor(self.to.or_else(|| inputs.elem(0)), shape)])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let Value::Maps(maps) = inputs.value(0)? else {
            return Err(OpError::invalid(format!("expected maps, got {}", inputs.value(0)?.kind())));
        };
        let rows = self.rows(maps)?;
        one(self.to.map_or_else(|| Ok(rows.clone()), |to| plain(&rows, to))?)
    }
}

impl Rows {
    fn rows(&self, maps: &Maps) -> Result<Tensor> {
        let places = match &self.columns {
            Columns::Ints(wanted) => places(&maps.keys.view::<i64>()?, wanted),
            Columns::Texts(wanted) => places(&maps.keys.view::<Text>()?, wanted),
            Columns::Sorted => match maps.keys.elem() {
                ElemType::I64 => sorted(&maps.keys.view::<i64>()?),
                _ => sorted(&maps.keys.view::<Text>()?),
            },
        };
        let width = maps.keys.len();
        dispatch!(maps.values.elem(), Any, T => {
            let values = maps.values.view::<T>()?;
            let rows = values.chunks_exact(width.max(1));
            let shape = [rows.len(), places.len()];
            checked_len::<T>(&shape)?;
            let value = |row: &[T], place: &Option<usize>| place.and_then(|i| row.get(i).cloned()).unwrap_or_default();
            let all = rows.flat_map(|row| places.iter().map(move |place| value(row, place))).collect();
            Tensor::from_vec(&shape[..], all)
        })
    }
}

/// Where each wanted key stands.
fn places<K: PartialEq>(keys: &[K], wanted: &[K]) -> Vec<Option<usize>> {
    wanted.iter().map(|key| keys.iter().position(|own| own == key)).collect()
}

fn sorted<K: Ord>(keys: &[K]) -> Vec<Option<usize>> {
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by(|&a, &b| keys[a].cmp(&keys[b]));
    order.into_iter().map(Some).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn run(columns: Columns, to: Option<ElemType>) -> Tensor {
        let keys = Tensor::from_vec(vec![3usize], vec![5i64, 0, 2]).unwrap();
        let values = Tensor::from_vec(vec![2usize, 3], vec![1f32, 2.0, 3.0, 4.0, 5.5, 6.0]).unwrap();
        let maps = Value::Maps(Arc::new(Maps { keys, values }));
        let outputs = Rows { columns, to }.eval(Inputs::new(vec![Some(maps)]), &RunContext::default());
        outputs.unwrap()[0].tensor().unwrap().clone()
    }

    #[test]
    fn a_vocabulary_picks_values_by_key() {
        let rows = run(Columns::Ints(vec![0, 7, 5]), None);
        assert_eq!(rows.to_vec::<f32>().unwrap(), [2.0, 0.0, 1.0, 5.5, 0.0, 4.0]);
        assert_eq!(rows.shape()[..], [2, 3]);
    }

    #[test]
    fn a_map_is_cast_in_the_order_of_its_keys() {
        let rows = run(Columns::Sorted, Some(ElemType::I64));
        assert_eq!(rows.to_vec::<i64>().unwrap(), [2, 3, 1, 5, 6, 4]);
    }

    #[test]
    fn what_is_no_map_is_refused() {
        let tensor = Value::Tensor(Tensor::scalar(1f32).unwrap());
        let rows = Rows { columns: Columns::Sorted, to: None };
        assert!(rows.eval(Inputs::new(vec![Some(tensor)]), &RunContext::default()).is_err());
    }
}
