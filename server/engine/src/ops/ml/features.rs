//! `ArrayFeatureExtractor`, `FeatureVectorizer`, `OneHotEncoder`: columns chosen, joined and spread. ONNX-ML 1.

use super::real::{Reals, matrix};
use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{ElemType, Tensor, Text, checked_len, dispatch},
};

pub(super) const OPS: &[OpDef] = &[
    OpDef::ml("ArrayFeatureExtractor", 1, |_| boxed(Extractor)),
    OpDef::ml("FeatureVectorizer", 1, parse_vectorizer),
    OpDef::ml("OneHotEncoder", 1, parse_one_hot),
];

#[derive(Debug)]
struct Extractor;

impl Op for Extractor {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let indices = inputs.shape(1).and_then(|dims| {
            let sizes = dims.iter().map(SymDim::known).collect::<Option<Vec<_>>>()?;
            sizes.iter().try_fold(1usize, |product, &dim| product.checked_mul(dim))
        });
        let shape = inputs.shape(0).filter(|shape| !shape.is_empty()).map(|shape| {
            let mut shape = shape.clone();
            if shape.len() == 1 {
                shape.insert(0, SymDim::Known(1));
            }
            let last = shape.len() - 1;
            shape[last] = indices.map_or(SymDim::Unknown, SymDim::Known);
            shape
        });
        Ok(vec![Fact::tensor(inputs.elem(0), shape)])
    }

    #[allow(clippy::clone_on_copy)]
    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let Some((&columns, before)) = input.shape().split_last() else {
            return Err(OpError::invalid("expected at least one dimension"));
        };
        let indices = inputs.tensor(1)?.to_ints()?;
        let indices: Option<Vec<usize>> =
            indices.iter().map(|&i| usize::try_from(i).ok().filter(|&i| i < columns)).collect();
        let indices =
            indices.ok_or_else(|| OpError::invalid(format!("an index is outside the {columns} features")))?;
        let mut shape = if before.is_empty() { vec![1] } else { before.to_vec() };
        shape.push(indices.len());
        one(dispatch!(input.elem(), Any, T => {
            let data = input.view::<T>()?;
            let mut picked = Vec::with_capacity(checked_len::<T>(&shape)?);
            for row in data.chunks_exact(columns.max(1)) {
                picked.extend(indices.iter().map(|&i| row[i].clone()));
            }
            Tensor::from_vec(&shape[..], picked)
        })?)
    }
}

#[derive(Debug)]
struct Vectorizer(Vec<usize>);

fn parse_vectorizer(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let sizes = node.ints("inputdimensions")?.unwrap_or_default();
    let sizes: Option<Vec<usize>> = sizes.iter().map(|&size| usize::try_from(size).ok()).collect();
    let sizes = sizes.ok_or_else(|| OpError::invalid("inputdimensions must not be negative"))?;
    if sizes.len() < node.input_count() {
        return Err(OpError::invalid(format!(
            "{} inputdimensions for {} inputs",
            sizes.len(),
            node.input_count()
        )));
    }
    boxed(Vectorizer(sizes))
}

impl Op for Vectorizer {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let total = self.0.iter().take(inputs.len()).try_fold(0usize, |sum, &size| sum.checked_add(size));
        let shape = vec![super::labels::rows(inputs), total.map_or(SymDim::Unknown, SymDim::Known)];
        Ok(vec![Fact::tensor(Some(ElemType::F32), Some(shape))])
    }

    /// Each input gives as many columns as its dimension says: cut off, or filled with nought.
    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let tensors = inputs.tensors()?;
        let parts =
            tensors.iter().map(|t| Ok((matrix(t)?, Reals::<f32>::of(t)?))).collect::<Result<Vec<_>>>()?;
        let rows = parts.first().map_or(0, |((rows, _), _)| *rows);
        if parts.iter().any(|((other, _), _)| *other != rows) {
            return Err(OpError::invalid("the inputs differ in their rows"));
        }
        let total = self.0.iter().take(parts.len()).try_fold(0usize, |sum, &size| sum.checked_add(size));
        let total = total.unwrap_or(usize::MAX);
        let mut out = Vec::with_capacity(checked_len::<f32>(&[rows, total])?);
        for row in 0..rows {
            for (((_, columns), data), &size) in parts.iter().zip(&self.0) {
                let given = &data[row * columns..][..size.min(*columns)];
                out.extend_from_slice(given);
                out.extend(std::iter::repeat_n(0.0, size - given.len()));
            }
        }
        one(Tensor::from_vec(&[rows, total][..], out)?)
    }
}

#[derive(Debug)]
struct OneHot {
    categories: Categories,
    zeros: bool,
}

#[derive(Debug)]
enum Categories {
    Ints(Vec<i64>),
    Texts(Vec<Text>),
}

fn parse_one_hot(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let zeros = node.flag("zeros", true)?;
    let texts = node.texts("cats_strings")?.filter(|all| !all.is_empty());
    let ints = node.ints("cats_int64s")?.filter(|all| !all.is_empty());
    let categories = match (texts, ints) {
        (Some(texts), None) => Categories::Texts(texts),
        (None, Some(ints)) => Categories::Ints(ints),
        _ => return Err(OpError::invalid("expected one of cats_strings and cats_int64s")),
    };
    boxed(OneHot { categories, zeros })
}

impl OneHot {
    const fn len(&self) -> usize {
        match &self.categories {
            Categories::Ints(all) => all.len(),
            Categories::Texts(all) => all.len(),
        }
    }

    /// The category of each element.
    #[allow(clippy::cast_possible_truncation)]
    fn places(&self, input: &Tensor) -> Result<Vec<Option<usize>>> {
        match (&self.categories, input.elem()) {
            (Categories::Texts(all), ElemType::String) => {
                let texts = input.view::<Text>()?;
                Ok(texts.iter().map(|text| all.iter().position(|known| known == text)).collect())
            }
            (Categories::Ints(all), elem) if elem.is_int() => {
                Ok(input.to_ints()?.iter().map(|v| all.iter().position(|known| known == v)).collect())
            }
            (Categories::Ints(all), elem) if elem.is_float() => {
                let values = Reals::<f64>::of(input)?;
                Ok(values.iter().map(|&v| all.iter().position(|&known| known == v as i64)).collect())
            }
            (_, elem) => Err(OpError::invalid(format!("the categories do not fit elements of {elem}"))),
        }
    }
}

impl Op for OneHot {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let shape = inputs.shape(0).map(|dims| {
            let mut dims = dims.clone();
            dims.push(SymDim::Known(self.len()));
            dims
        });
        Ok(vec![Fact::tensor(Some(ElemType::F32), shape)])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let mut shape = input.shape().to_vec();
        shape.push(self.len());
        let mut out = vec![0f32; checked_len::<f32>(&shape)?];
        for (row, place) in out.chunks_exact_mut(self.len()).zip(self.places(input)?) {
            match place {
                Some(place) => row[place] = 1.0,
                None if self.zeros => {}
                None => return Err(OpError::invalid("an element is none of the categories")),
            }
        }
        one(Tensor::from_vec(&shape[..], out)?)
    }
}
