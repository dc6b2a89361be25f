//! Random numbers: `RandomUniform`, `RandomNormal` and their `Like` forms, `Bernoulli`, `Multinomial`. The
//! numbers follow the distributions, not another runtime's generator.
//!
//! With a `seed` every run gives the same numbers; without one, each run others.

mod generator;

use std::sync::atomic::{AtomicU64, Ordering};

use self::generator::Generator;
use super::wide;
use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{Bool, ElemType, Tensor, checked_len},
};

pub(crate) const OPS: &[OpDef] = &[
    OpDef::onnx("RandomUniform", 1, |node| parse(node, uniform(node)?, Form::Shape(shape(node)?))),
    OpDef::onnx("RandomUniformLike", 1, |node| parse(node, uniform(node)?, Form::Like)),
    OpDef::onnx("RandomNormal", 1, |node| parse(node, normal(node)?, Form::Shape(shape(node)?))),
    OpDef::onnx("RandomNormalLike", 1, |node| parse(node, normal(node)?, Form::Like)),
    OpDef::onnx("Bernoulli", 15, |node| parse(node, Distribution::Bernoulli, Form::Like)),
    OpDef::onnx("Multinomial", 7, multinomial),
];

#[derive(Clone, Copy, Debug)]
enum Distribution {
    Uniform {
        low: f64,
        high: f64,
    },
    Normal {
        mean: f64,
        deviation: f64,
    },
    /// 1 with the probability that the input holds.
    Bernoulli,
    /// So many classes for each row of unnormalised log-probabilities.
    Multinomial {
        samples: usize,
    },
}

/// Where the output's shape comes from.
#[derive(Clone, Debug)]
enum Form {
    Shape(Vec<usize>),
    /// From the input, and its type unless `dtype` names one.
    Like,
}

#[derive(Debug)]
struct Random {
    distribution: Distribution,
    form: Form,
    elem: Option<ElemType>,
    seed: Seed,
}

#[derive(Debug)]
enum Seed {
    Fixed(u64),
    /// Counts runs from a number that differs between processes.
    Counting(AtomicU64),
}

impl Seed {
    fn parse(node: &NodeDef<'_>) -> Result<Self> {
        Ok(match node.float("seed")? {
            Some(seed) => Self::Fixed(u64::from(seed.to_bits())),
            None => Self::Counting(AtomicU64::new(generator::entropy())),
        })
    }

    fn generator(&self) -> Generator {
        Generator::new(match self {
            Self::Fixed(seed) => *seed,
            Self::Counting(next) => next.fetch_add(1, Ordering::Relaxed),
        })
    }
}

fn parse(node: &NodeDef<'_>, distribution: Distribution, form: Form) -> Result<Box<dyn Op>> {
    let default = if matches!(form, Form::Like) { None } else { Some(ElemType::F32) };
    let elem = wide::elem_of(node, "dtype")?.or(default);
    boxed(Random { distribution, form, elem, seed: Seed::parse(node)? })
}

fn uniform(node: &NodeDef<'_>) -> Result<Distribution> {
    let (low, high) = (node.float_or("low", 0.0)?, node.float_or("high", 1.0)?);
    Ok(Distribution::Uniform { low: low.into(), high: high.into() })
}

fn normal(node: &NodeDef<'_>) -> Result<Distribution> {
    let (mean, deviation) = (node.float_or("mean", 0.0)?, node.float_or("scale", 1.0)?);
    Ok(Distribution::Normal { mean: mean.into(), deviation: deviation.into() })
}

fn multinomial(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let samples = node.int_or("sample_size", 1)?;
    let samples = usize::try_from(samples)
        .map_err(|_| OpError::invalid(format!("sample_size must not be negative, got {samples}")))?;
    let elem = wide::elem_of(node, "dtype")?.unwrap_or(ElemType::I32);
    let distribution = Distribution::Multinomial { samples };
    boxed(Random { distribution, form: Form::Like, elem: Some(elem), seed: Seed::parse(node)? })
}

fn shape(node: &NodeDef<'_>) -> Result<Vec<usize>> {
    let given = node.ints("shape")?.ok_or_else(|| OpError::invalid("attribute 'shape' is missing"))?;
    let sizes: Option<Vec<usize>> = given.iter().map(|&size| usize::try_from(size).ok()).collect();
    sizes.ok_or_else(|| OpError::invalid(format!("a size must not be negative, got {given:?}")))
}

impl Random {
    fn run(&self, inputs: &Inputs) -> Result<Tensor> {
        let input = inputs.opt_tensor(0)?;
        let elem = self.elem.or(input.map(Tensor::elem)).unwrap_or(ElemType::F32);
        let shape = match (&self.form, input) {
            (Form::Shape(shape), _) => shape.clone(),
            (Form::Like, Some(input)) => self.like(input)?,
            (Form::Like, None) => return Err(OpError::invalid("input 0 is missing")),
        };
        let len = checked_len::<f64>(&shape)?;
        let mut random = self.seed.generator();
        let data: Vec<f64> = match (self.distribution, input) {
            (Distribution::Uniform { low, high }, _) => {
                (0..len).map(|_| low + (high - low) * random.unit()).collect()
            }
            (Distribution::Normal { mean, deviation }, _) => {
                (0..len).map(|_| mean + deviation * random.normal()).collect()
            }
            (Distribution::Bernoulli, Some(input)) => {
                let chances = wide::floats(input)?;
                chances.iter().map(|&chance| if random.unit() < chance { 1.0 } else { 0.0 }).collect()
            }
            (Distribution::Multinomial { samples }, Some(input)) => {
                let rows = wide::floats(input)?;
                let classes = input.shape()[1];
                let row = |row: &[f64]| random.classes(row, samples);
                rows.chunks_exact(classes.max(1)).flat_map(row).collect()
            }
            (_, None) => return Err(OpError::invalid("input 0 is missing")),
        };
        if elem == ElemType::Bool {
            return Tensor::from_vec(shape, data.iter().map(|&v| Bool::new(v != 0.0)).collect());
        }
        wide::tensor(elem, &shape, &data)
    }

    fn like(&self, input: &Tensor) -> Result<Vec<usize>> {
        match (self.distribution, &input.shape()[..]) {
            (Distribution::Multinomial { samples }, &[rows, classes]) if classes > 0 => {
                Ok(vec![rows, samples])
            }
            (Distribution::Multinomial { .. }, shape) => {
                Err(OpError::invalid(format!("expected [rows, classes], got {shape:?}")))
            }
            (_, shape) => Ok(shape.to_vec()),
        }
    }
}

impl Op for Random {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let shape = match (&self.form, self.distribution) {
            (Form::Shape(shape), _) => Some(shape.iter().map(|&size| SymDim::Known(size)).collect()),
            (Form::Like, Distribution::Multinomial { samples }) => {
                let rows = inputs.shape(0).and_then(|shape| shape.first()).cloned();
                Some(vec![rows.unwrap_or(SymDim::Unknown), SymDim::Known(samples)])
            }
            (Form::Like, _) => inputs.shape(0).cloned(),
        };
        Ok(vec![Fact::tensor(self.elem.or(inputs.elem(0)), shape)])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        one(self.run(&inputs)?)
    }

    fn is_pure(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(distribution: Distribution, seed: Seed, input: Tensor) -> Vec<f32> {
        let op = Random { distribution, form: Form::Like, elem: Some(ElemType::F32), seed };
        op.run(&Inputs::new(vec![Some(input.into())])).unwrap().to_vec().unwrap()
    }

    fn zeros() -> Tensor {
        Tensor::from_vec(vec![1000], vec![0f32; 1000]).unwrap()
    }

    #[test]
    fn a_seed_repeats_and_no_seed_does_not() {
        let uniform = Distribution::Uniform { low: 2.0, high: 3.0 };
        let all = run(uniform, Seed::Fixed(7), zeros());
        assert!(all.iter().all(|v| (2.0..=3.0).contains(v)));
        assert_eq!(all, run(uniform, Seed::Fixed(7), zeros()));
        assert_ne!(all, run(uniform, Seed::Fixed(8), zeros()));
        let op = Random {
            distribution: uniform,
            form: Form::Shape(vec![9]),
            elem: None,
            seed: Seed::Counting(AtomicU64::new(0)),
        };
        let next = || op.run(&Inputs::new(vec![])).unwrap().to_vec::<f32>().unwrap();
        assert_ne!(next(), next());
    }

    #[test]
    fn numbers_follow_their_distribution() {
        let normal = run(Distribution::Normal { mean: 5.0, deviation: 2.0 }, Seed::Fixed(1), zeros());
        let mean = normal.iter().sum::<f32>() / 1000.0;
        let variance = normal.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / 1000.0;
        assert!((mean - 5.0).abs() < 0.3 && (variance - 4.0).abs() < 0.6, "{mean} {variance}");
        let chances = Tensor::from_vec(vec![1000], vec![0.25f32; 1000]).unwrap();
        let ones = run(Distribution::Bernoulli, Seed::Fixed(1), chances).iter().sum::<f32>();
        assert!((ones - 250.0).abs() < 60.0, "{ones}");
        let logits = Tensor::from_vec(vec![1, 3], vec![f32::NEG_INFINITY, 0.0, 3f32.ln()]).unwrap();
        let classes = run(Distribution::Multinomial { samples: 1000 }, Seed::Fixed(1), logits);
        let second = classes.iter().filter(|&&class| class == 2.0).count() as f32;
        assert!(!classes.contains(&0.0) && (second - 750.0).abs() < 60.0, "{second}");
    }
}
