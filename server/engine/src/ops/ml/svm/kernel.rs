//! The kernels of support vector machines.

use crate::{
    error::{OpError, Result},
    onnx::NodeDef,
};

/// A kernel with its parameters.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kernel {
    Linear,
    Poly { gamma: f32, coef0: f32, degree: f32 },
    Rbf { gamma: f32 },
    Sigmoid { gamma: f32, coef0: f32 },
}

impl Kernel {
    pub(super) fn parse(node: &NodeDef<'_>) -> Result<Self> {
        let params = node.floats("kernel_params")?.unwrap_or_default();
        let (gamma, coef0, degree) = match params[..] {
            [] => (0.0, 0.0, 0.0),
            [gamma, coef0, degree, ..] => (gamma, coef0, degree),
            _ => return Err(OpError::invalid("kernel_params must be gamma, coef0 and degree")),
        };
        match node.string_or("kernel_type", "LINEAR")? {
            "LINEAR" => Ok(Self::Linear),
            "POLY" => Ok(Self::Poly { gamma, coef0, degree }),
            "RBF" => Ok(Self::Rbf { gamma }),
            "SIGMOID" => Ok(Self::Sigmoid { gamma, coef0 }),
            other => Err(OpError::invalid(format!("kernel_type '{other}' is none of ONNX-ML"))),
        }
    }

    /// The kernel of two vectors of one length.
    pub(super) fn of(self, a: &[f32], b: &[f32]) -> f32 {
        let dot = || a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        match self {
            Self::Linear => dot(),
            Self::Poly { gamma, coef0, degree } => (gamma * dot() + coef0).powf(degree),
            Self::Sigmoid { gamma, coef0 } => (gamma * dot() + coef0).tanh(),
            Self::Rbf { gamma } => {
                (-gamma * a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>()).exp()
            }
        }
    }
}
