//! What a graph is made ready for: how exact, and for which kind of device.

use crate::Exactness;

/// The kind of device whose kernels the passes choose operators for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// Weights are packed for the processor's kernels.
    #[default]
    Cpu,
    /// Weights stay as they are in the file: a device packs its own.
    Gpu,
}

/// How a graph is made ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tuning {
    /// What convolutions may lose for speed.
    pub exactness: Exactness,
    /// Where it is to run.
    pub target: Target,
}
