//! The activations that recurrent cells may name, with their alpha and beta.

use crate::{
    error::{OpError, Result},
    kernels::real::Real,
    onnx::NodeDef,
};

/// An activation of a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Activation {
    Sigmoid,
    Tanh,
    Relu,
    Affine { alpha: f32, beta: f32 },
    LeakyRelu { alpha: f32 },
    ThresholdedRelu { alpha: f32 },
    ScaledTanh { alpha: f32, beta: f32 },
    HardSigmoid { alpha: f32, beta: f32 },
    Elu { alpha: f32 },
    Softsign,
    Softplus,
}

impl Activation {
    /// The activation of a name; `alpha` and `beta` give the next of their lists for those that take one.
    fn parse(
        name: &str,
        mut alpha: impl FnMut(f32) -> f32,
        mut beta: impl FnMut(f32) -> f32,
    ) -> Result<Self> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "sigmoid" => Self::Sigmoid,
            "tanh" => Self::Tanh,
            "relu" => Self::Relu,
            "affine" => Self::Affine { alpha: alpha(1.0), beta: beta(0.0) },
            "leakyrelu" => Self::LeakyRelu { alpha: alpha(0.01) },
            "thresholdedrelu" => Self::ThresholdedRelu { alpha: alpha(1.0) },
            "scaledtanh" => Self::ScaledTanh { alpha: alpha(1.0), beta: beta(1.0) },
            "hardsigmoid" => Self::HardSigmoid { alpha: alpha(0.2), beta: beta(0.5) },
            "elu" => Self::Elu { alpha: alpha(1.0) },
            "softsign" => Self::Softsign,
            "softplus" => Self::Softplus,
            _ => return Err(OpError::unsupported(format!("activation '{name}' is not supported"))),
        })
    }

    /// Applies it to every value.
    pub(super) fn apply<T: Real>(self, values: &mut [T]) {
        let of = |v: f32| T::of(f64::from(v));
        let (zero, one) = (T::zero(), T::one());
        match self {
            Self::Sigmoid => each(values, T::sigmoid),
            Self::Tanh => each(values, T::squash),
            Self::Relu => each(values, |v| v.max(zero)),
            Self::Affine { alpha, beta } => each(values, |v| of(alpha) * v + of(beta)),
            Self::LeakyRelu { alpha } => each(values, |v| if v < zero { of(alpha) * v } else { v }),
            Self::ThresholdedRelu { alpha } => each(values, |v| if v > of(alpha) { v } else { zero }),
            Self::ScaledTanh { alpha, beta } => each(values, |v| of(alpha) * (of(beta) * v).squash()),
            Self::HardSigmoid { alpha, beta } => {
                each(values, |v| (of(alpha) * v + of(beta)).max(zero).min(one));
            }
            Self::Elu { alpha } => each(values, |v| if v < zero { of(alpha) * v.exp_m1() } else { v }),
            Self::Softsign => each(values, |v| v / (one + v.abs())),
            Self::Softplus => each(values, |v| v.max(zero) + (-v.abs()).exp().ln_1p()),
        }
    }
}

fn each<T: Copy>(values: &mut [T], activation: impl Fn(T) -> T) {
    values.iter_mut().for_each(|v| *v = activation(*v));
}

/// The activations of `directions` directions; `defaults` are those of one.
///
/// # Errors
/// `Invalid` for a list of another length, `Unsupported` for an unknown name.
pub(super) fn parse(node: &NodeDef<'_>, defaults: &[&str], directions: usize) -> Result<Vec<Activation>> {
    let expected = defaults.len() * directions;
    let names = node
        .strings("activations")?
        .unwrap_or_else(|| defaults.iter().cycle().take(expected).map(|&name| name.to_owned()).collect());
    if names.len() != expected {
        return Err(OpError::invalid(format!("expected {expected} activations, got {}", names.len())));
    }
    let mut alphas = node.floats("activation_alpha")?.unwrap_or_default().into_iter();
    let mut betas = node.floats("activation_beta")?.unwrap_or_default().into_iter();
    names
        .iter()
        .map(|name| {
            Activation::parse(
                name,
                |default| alphas.next().unwrap_or(default),
                |default| betas.next().unwrap_or(default),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activations_are_what_onnx_says() {
        let table = [
            ("Relu", [0.0, 2.0]),
            ("affine", [-1.0, 2.0]),
            ("LeakyRelu", [-0.01, 2.0]),
            ("ThresholdedRelu", [0.0, 2.0]),
            ("HardSigmoid", [0.3, 0.9]),
            ("Elu", [-0.632_120_56, 2.0]),
            ("Softsign", [-0.5, 2.0 / 3.0]),
            ("Softplus", [0.313_261_7, 2.126_928]),
            ("ScaledTanh", [-0.761_594_2, 0.964_027_6]),
        ];
        for (name, expected) in table {
            let mut values = [-1.0f64, 2.0];
            Activation::parse(name, |v| v, |v| v).unwrap().apply(&mut values);
            let close = values.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6);
            assert!(close, "{name}: {values:?}");
        }
        assert!(Activation::parse("Mish", |v| v, |v| v).is_err());
    }
}
