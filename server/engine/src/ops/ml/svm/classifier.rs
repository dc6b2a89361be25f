//! `SVMClassifier`: labels `[rows]`, scores `[rows, K]` of pairs of classes, or of classes where the model has
//! probabilities or no support vectors. ONNX-ML 1; scores as ONNX Runtime writes them.

use smallvec::smallvec;

use super::{
    super::{
        labels::{Label, Labels},
        linear::first_max,
        post::{PostTransform, Second},
        real::{Reals, matrix},
    },
    kernel::Kernel,
    probability,
};
use crate::{
    error::{OpError, Result},
    graph::Fact,
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed},
    value::{Tensor, Value},
};

pub(in crate::ops::ml) const OPS: &[OpDef] = &[OpDef::ml("SVMClassifier", 1, parse)];

/// A machine's numbers, checked to fit one another.
#[derive(Debug)]
struct Classifier {
    kernel: Kernel,
    labels: Labels,
    post: PostTransform,
    features: usize,
    /// With support vectors `[classes - 1, vectors]`, else `[classes, features]`.
    coefficients: Vec<f32>,
    /// `[vectors, features]`; empty for a linear machine.
    vectors: Vec<f32>,
    /// The first vector of each class, and one past the last.
    starts: Vec<usize>,
    rho: Vec<f32>,
    platt: Vec<(f32, f32)>,
    all_positive: bool,
}

/// Scores and votes of one row.
struct Scored {
    scores: Vec<f32>,
    winner: usize,
    weight: f32,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let labels = Labels::parse(node, "classlabels_ints", "classlabels_strings")?;
    let floats = |name: &str| Ok::<_, OpError>(node.floats(name)?.unwrap_or_default());
    let (coefficients, rho, vectors) = (floats("coefficients")?, floats("rho")?, floats("support_vectors")?);
    let (a, b) = (floats("prob_a")?, floats("prob_b")?);
    let classes = labels.len();
    if classes == 0 || coefficients.is_empty() || rho.is_empty() || a.len() != b.len() {
        return Err(OpError::invalid("class labels, coefficients, rho, prob_a and prob_b do not fit"));
    }
    let starts = starts(&node.ints("vectors_per_class")?.unwrap_or_default())?;
    let total = starts.last().copied().unwrap_or(0);
    let (features, kernel) = match vectors.len().checked_div(total) {
        Some(features) => (features, Kernel::parse(node)?),
        None => (coefficients.len() / classes, Kernel::Linear),
    };
    let pairs = classes * (classes - 1) / 2;
    let fits = total == 0
        || (starts.len() == classes + 1
            && vectors.len() == features * total
            && (classes - 1).checked_mul(total).is_some_and(|len| coefficients.len() >= len)
            && rho.len() >= pairs
            && (a.is_empty() || a.len() >= pairs));
    if !fits || features == 0 {
        return Err(OpError::invalid("vectors, coefficients, rho and class labels do not fit"));
    }
    let vectors = if total > 0 { vectors } else { Vec::new() };
    let all_positive = coefficients.iter().all(|&v| v >= 0.0);
    let platt = a.into_iter().zip(b).collect();
    let post = PostTransform::parse(node.string_or("post_transform", "NONE")?)?;
    boxed(Classifier {
        kernel,
        labels,
        post,
        features,
        coefficients,
        vectors,
        starts,
        rho,
        platt,
        all_positive,
    })
}

fn starts(per_class: &[i64]) -> Result<Vec<usize>> {
    let mut starts = vec![0usize];
    for &count in per_class {
        let last = starts.last().copied().unwrap_or(0);
        let next = usize::try_from(count).ok().and_then(|count| last.checked_add(count));
        starts.push(next.ok_or_else(|| OpError::invalid("vectors_per_class must not be negative"))?);
    }
    Ok(starts)
}

impl Classifier {
    fn score(&self, row: &[f32]) -> Scored {
        if self.vectors.is_empty() {
            let classes = self.coefficients.chunks_exact(self.features).take(self.labels.len());
            let scores: Vec<f32> = classes.map(|c| self.kernel.of(row, c) + self.rho[0]).collect();
            let winner = first_max(&scores);
            return Scored { weight: scores[winner], winner, scores };
        }
        let kernels: Vec<f32> =
            self.vectors.chunks_exact(self.features).map(|vector| self.kernel.of(row, vector)).collect();
        let (pairs, votes) = self.pairs(&kernels);
        let winner = (1..votes.len()).fold(0, |best, i| if votes[i] > votes[best] { i } else { best });
        let scores = if self.platt.is_empty() { pairs } else { self.probabilities(&pairs) };
        Scored { scores, winner, weight: 0.0 }
    }

    /// Each class against each later one: the scores, and how often each class won.
    #[allow(clippy::cast_possible_truncation)]
    fn pairs(&self, kernels: &[f32]) -> (Vec<f32>, Vec<usize>) {
        let (classes, total) = (self.labels.len(), kernels.len());
        let (mut scores, mut votes) = (Vec::new(), vec![0; classes]);
        let part = |line: usize, class: usize| {
            let range = self.starts[class]..self.starts[class + 1];
            let coefficients = &self.coefficients[line * total..(line + 1) * total][range.clone()];
            let products = coefficients.iter().zip(&kernels[range]).map(|(c, k)| f64::from(c * k));
            products.sum::<f64>()
        };
        for i in 0..classes {
            for j in i + 1..classes {
                let sum = part(j - 1, i) + part(i, j) + f64::from(self.rho[scores.len()]);
                scores.push(sum as f32);
                votes[if sum > 0.0 { i } else { j }] += 1;
            }
        }
        (scores, votes)
    }

    fn probabilities(&self, pairs: &[f32]) -> Vec<f32> {
        let classes = self.labels.len();
        let mut matrix = vec![0.0; classes * classes];
        let places = (0..classes).flat_map(|i| (i + 1..classes).map(move |j| (i, j)));
        for (((i, j), &score), &(a, b)) in places.zip(pairs).zip(&self.platt) {
            let probability = probability::of_pair(score, a, b);
            matrix[i * classes + j] = probability;
            matrix[j * classes + i] = 1.0 - probability;
        }
        probability::of_classes(classes, &matrix)
    }

    fn label(&self, scored: &Scored) -> Label {
        if self.labels.len() != 2 {
            return Label::Class(scored.winner);
        }
        let positive = if self.all_positive { scored.weight >= 0.5 } else { scored.weight > 0.0 };
        Label::Class(if self.platt.is_empty() && positive { 1 } else { scored.winner })
    }

    fn second(&self) -> Second {
        match (self.vectors.is_empty() || !self.platt.is_empty() || self.labels.len() > 2, self.post) {
            (true, _) => Second::No,
            (false, PostTransform::None) => Second::Opposite,
            (false, _) => Second::Complement,
        }
    }

    fn width(&self) -> usize {
        match self.labels.len() {
            classes if self.vectors.is_empty() || !self.platt.is_empty() => classes,
            classes @ 0..=2 => classes.max(2),
            classes => classes * (classes - 1) / 2,
        }
    }
}

impl Op for Classifier {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        Ok(self.labels.facts(inputs, Some(self.width())))
    }

    #[allow(clippy::cast_possible_truncation)]
    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let (rows, columns) = matrix(input)?;
        if columns != self.features {
            return Err(OpError::invalid(format!("expected {} features, got {columns}", self.features)));
        }
        let data = Reals::<f32>::of(input)?;
        let (mut labels, mut out) = (Vec::with_capacity(rows), Vec::new());
        for row in data.chunks_exact(columns) {
            let scored = self.score(row);
            labels.push(self.label(&scored));
            let mut scores = scored.scores.iter().map(|&v| f64::from(v)).collect();
            self.post.finish(&mut scores, self.second());
            // PROBIT of one score leaves the second place empty.
            scores.resize(self.width(), 0.0);
            out.extend(scores.into_iter().map(|v| v as f32));
        }
        let scores = Tensor::from_vec(&[rows, self.width()][..], out)?;
        Ok(smallvec![Value::Tensor(self.labels.tensor(&labels)?), Value::Tensor(scores)])
    }
}
