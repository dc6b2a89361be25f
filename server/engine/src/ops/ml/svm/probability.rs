//! From the scores of pairs of classes to probabilities of classes (Wu, Lin and Weng: second approach).

use super::super::post::logistic;

/// Platt's probability that the first class of a pair is right, kept off 0 and 1.
#[allow(clippy::cast_possible_truncation)]
pub(super) fn of_pair(score: f32, a: f32, b: f32) -> f32 {
    const EDGE: f32 = 1e-7;
    ((1.0 - logistic(f64::from(score * a + b))) as f32).clamp(EDGE, 1.0 - EDGE)
}

/// The probabilities of `classes` classes, of which `pairs[i * classes + j]` is the probability of `i` against `j`.
#[allow(clippy::cast_precision_loss)]
pub(super) fn of_classes(classes: usize, pairs: &[f32]) -> Vec<f32> {
    const ROUNDS: usize = 100;
    let q = quadratic(classes, pairs);
    let mut p = vec![1.0 / classes as f32; classes];
    let enough = 0.005 / classes as f32;
    for _ in 0..ROUNDS {
        let mut qp: Vec<f32> =
            q.chunks_exact(classes).map(|row| row.iter().zip(&p).map(|(q, p)| q * p).sum()).collect();
        let mut pqp: f32 = p.iter().zip(&qp).map(|(p, qp)| p * qp).sum();
        if qp.iter().all(|v| (v - pqp).abs() < enough) {
            break;
        }
        for i in 0..classes {
            let own = q[i * classes + i];
            let step = (pqp - qp[i]) / own;
            p[i] += step;
            pqp = (pqp + step * (step * own + 2.0 * qp[i])) / (1.0 + step) / (1.0 + step);
            for j in 0..classes {
                qp[j] = (qp[j] + step * q[i * classes + j]) / (1.0 + step);
                p[j] /= 1.0 + step;
            }
        }
    }
    p
}

fn quadratic(classes: usize, pairs: &[f32]) -> Vec<f32> {
    let mut q = vec![0.0; classes * classes];
    for i in 0..classes {
        for j in (0..classes).filter(|&j| j != i) {
            q[i * classes + i] += pairs[j * classes + i] * pairs[j * classes + i];
            q[i * classes + j] = -pairs[j * classes + i] * pairs[i * classes + j];
        }
    }
    q
}
