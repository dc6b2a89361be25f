//! Layers one after the other, as `nn.Sequential` has them, in a `config.json` of ours.

use serde::Deserialize;

use super::{
    layers::{Activation, within},
    network::{Network, Value},
};
use crate::error::{OpError, Result};

/// What PyTorch adds to variances unless told otherwise.
const EPS: f32 = 1e-5;

/// One of the layers; modules go by what the names of their tensors begin with.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Step {
    Linear(String),
    BatchNorm(Normed),
    LayerNorm(Normed),
    Activation(Activation),
}

/// A normalisation: its name, or its name and what is added to variances.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Normed {
    Name(String),
    With { name: String, eps: f32 },
}

impl Normed {
    fn parts(&self) -> (&str, f32) {
        match self {
            Self::Name(name) => (name, EPS),
            Self::With { name, eps } => (name, *eps),
        }
    }
}

/// Rows that layers work on.
pub(super) struct Rows {
    pub(super) value: Value,
    pub(super) rank: usize,
    /// The last dimension.
    pub(super) width: usize,
}

/// The width that the first layer with weights takes.
///
/// # Errors
/// `Invalid` where there is none, or its weights are missing.
pub(super) fn width(network: &Network<'_>, layers: &[Step]) -> Result<usize> {
    let module = layers.iter().find_map(|step| match step {
        Step::Linear(name) => Some(name.as_str()),
        Step::BatchNorm(normed) | Step::LayerNorm(normed) => Some(normed.parts().0),
        Step::Activation(_) => None,
    });
    let module = module.ok_or_else(|| OpError::invalid("config.json: layers has none with weights"))?;
    Ok(network.named(&within(module, "weight"))?.last().copied().unwrap_or_default())
}

/// Builds the layers.
///
/// # Errors
/// `Invalid` naming a tensor that does not fit.
pub(super) fn build(network: &mut Network<'_>, layers: &[Step], rows: Rows) -> Result<Rows> {
    layers.iter().try_fold(rows, |rows, step| {
        let Rows { ref value, rank, width } = rows;
        Ok(match step {
            Step::Linear(module) => {
                let out = network.named(&within(module, "weight"))?.first().copied().unwrap_or_default();
                Rows { value: network.linear(module, value, [out, width])?, rank, width: out }
            }
            Step::BatchNorm(normed) => {
                let (module, eps) = normed.parts();
                if rank != 2 {
                    return Err(OpError::unsupported(format!(
                        "config.json: batch_norm '{module}' works on [batch, features], not on every step"
                    )));
                }
                Rows { value: network.batch_norm(module, value, width, eps)?, ..rows }
            }
            Step::LayerNorm(normed) => {
                let (module, eps) = normed.parts();
                Rows { value: network.layer_norm(module, value, width, eps)?, ..rows }
            }
            Step::Activation(activation) => Rows { value: network.activate(value, *activation), ..rows },
        })
    })
}
