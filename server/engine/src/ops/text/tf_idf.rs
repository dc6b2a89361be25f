//! `TfIdfVectorizer`: how often each n-gram of a pool is in a row, weighed. Since opset 9.

use std::hash::Hash;

use super::ngrams::{Lengths, Ngrams, Pool};
use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{ElemType, Tensor, Text, checked_len},
};

pub(super) const OPS: &[OpDef] = &[OpDef::onnx("TfIdfVectorizer", 9, parse)];

#[derive(Clone, Copy, Debug)]
enum Mode {
    /// The count.
    Tf,
    /// The weight where there is one at all.
    Idf,
    /// The count times the weight.
    TfIdf,
}

#[derive(Debug)]
struct TfIdf {
    mode: Mode,
    lengths: Lengths,
    pool: Pool,
    columns: usize,
    /// Of each column; empty is 1 for all.
    weights: Vec<f32>,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let mode = match node.required_string("mode")? {
        "TF" => Mode::Tf,
        "IDF" => Mode::Idf,
        "TFIDF" => Mode::TfIdf,
        other => return Err(OpError::invalid(format!("mode must be TF, IDF or TFIDF, got '{other}'"))),
    };
    let size = |name: &str| sizes(name, &[node.required_int(name)?]).map(|all| all[0]);
    let lengths = Lengths {
        least: size("min_gram_length")?,
        most: size("max_gram_length")?,
        skips: size("max_skip_count")?,
    };
    if lengths.least == 0 || lengths.least > lengths.most {
        return Err(OpError::invalid("min_gram_length must be at least 1 and at most max_gram_length"));
    }
    let required = |name: &str| {
        node.ints(name)?.ok_or_else(|| OpError::invalid(format!("attribute '{name}' is missing")))
    };
    let starts = sizes("ngram_counts", &required("ngram_counts")?)?;
    let indexes = sizes("ngram_indexes", &required("ngram_indexes")?)?;
    let columns = indexes.iter().max().map_or(0, |most| most.saturating_add(1));
    checked_len::<f32>(&[columns])?;
    let pool = match (node.texts("pool_strings")?, node.ints("pool_int64s")?) {
        (Some(pool), None) => Pool::Texts(Ngrams::new(&pool, &starts, &indexes, lengths)?),
        (None, Some(pool)) => Pool::Ints(Ngrams::new(&pool, &starts, &indexes, lengths)?),
        _ => return Err(OpError::invalid("expected either pool_strings or pool_int64s")),
    };
    let weights = node.floats("weights")?.unwrap_or_default();
    if !weights.is_empty() && weights.len() < columns {
        return Err(OpError::invalid(format!("{} weights are fewer than {columns} columns", weights.len())));
    }
    boxed(TfIdf { mode, lengths, pool, columns, weights })
}

fn sizes(name: &str, values: &[i64]) -> Result<Vec<usize>> {
    let all: Option<Vec<usize>> = values.iter().map(|&value| usize::try_from(value).ok()).collect();
    all.ok_or_else(|| OpError::invalid(format!("attribute '{name}' must not be negative, got {values:?}")))
}

impl TfIdf {
    fn run<K: Hash + Eq + Clone>(&self, ngrams: &Ngrams<K>, items: &[K], shape: &[usize]) -> Result<Tensor> {
        let (rows, len) = match *shape {
            [] => (1, 1),
            [len] => (1, len),
            [rows, len] => (rows, len),
            _ => return Err(OpError::invalid(format!("expected [C] or [N, C], got {shape:?}"))),
        };
        let mut out = vec![0f32; checked_len::<f32>(&[rows, self.columns])?];
        for (i, counts) in out.chunks_exact_mut(self.columns.max(1)).enumerate() {
            ngrams.count(&items[i * len..(i + 1) * len], self.lengths, counts);
            counts.iter_mut().enumerate().for_each(|(i, count)| *count = self.weigh(i, *count));
        }
        let shape = if shape.len() == 2 { vec![rows, self.columns] } else { vec![self.columns] };
        Tensor::from_vec(shape, out)
    }

    fn weigh(&self, column: usize, count: f32) -> f32 {
        let weight = || self.weights.get(column).copied().unwrap_or(1.0);
        match self.mode {
            Mode::Tf => count,
            Mode::Idf if count > 0.0 => weight(),
            Mode::Idf => 0.0,
            Mode::TfIdf => count * weight(),
        }
    }
}

impl Op for TfIdf {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let columns = SymDim::Known(self.columns);
        let shape = inputs.shape(0).map(|shape| match &shape[..] {
            [rows, _] => vec![rows.clone(), columns],
            _ => vec![columns],
        });
        Ok(vec![Fact::tensor(Some(ElemType::F32), shape)])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        one(match &self.pool {
            Pool::Texts(ngrams) => self.run(ngrams, &input.view::<Text>()?, input.shape())?,
            Pool::Ints(ngrams) => self.run(ngrams, &input.to_ints()?, input.shape())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(mode: Mode, skips: usize, least: usize) -> Vec<f32> {
        let lengths = Lengths { least, most: 2, skips };
        // The items 2 and 3, and the pairs (2, 3) and (2, 2).
        let ngrams = Ngrams::new(&[2i64, 3, 2, 3, 2, 2], &[0, 2], &[0, 1, 2, 3], lengths).unwrap();
        let weights = vec![1.0, 10.0, 100.0, 1000.0];
        let op = TfIdf { mode, lengths, pool: Pool::Ints(ngrams), columns: 4, weights };
        let Pool::Ints(ngrams) = &op.pool else { unreachable!() };
        op.run(ngrams, &[2, 2, 3], &[3]).unwrap().to_vec().unwrap()
    }

    #[test]
    fn items_are_counted_once_and_pairs_at_every_distance() {
        assert_eq!(run(Mode::Tf, 0, 1), [2.0, 1.0, 1.0, 1.0]);
        assert_eq!(run(Mode::Tf, 1, 1), [2.0, 1.0, 2.0, 1.0]);
        assert_eq!(run(Mode::Tf, usize::MAX, 2), [0.0, 0.0, 2.0, 1.0]);
    }

    #[test]
    fn weights_are_of_columns() {
        assert_eq!(run(Mode::Idf, 0, 1), [1.0, 10.0, 100.0, 1000.0]);
        assert_eq!(run(Mode::TfIdf, 0, 1), [2.0, 10.0, 100.0, 1000.0]);
    }

    #[test]
    fn lists_that_do_not_fit_are_refused() {
        let lengths = Lengths { least: 1, most: 2, skips: 0 };
        for (starts, columns) in
            [(vec![0, 3], vec![0; 9]), (vec![0, 9], vec![0; 9]), (vec![2, 0], vec![0; 9]), (vec![0], vec![0])]
        {
            assert!(Ngrams::new(&[1i64, 2, 3, 4], &starts, &columns, lengths).is_err(), "{starts:?}");
        }
    }
}
