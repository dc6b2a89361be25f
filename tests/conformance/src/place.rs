//! Where cases run.

use girandole_engine::{Precision, gpu::Runner, ops::RunContext, plan::Plan, value::Value};

use crate::case::Failure;

/// Where a case runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the processor.
    Cpu,
    /// What the passes make for a GPU, computed on the processor.
    GpuPasses,
    /// On the first GPU, step by step.
    Cuda,
    /// On the first GPU as a CUDA graph, where one can be captured.
    CudaGraph,
}

impl Place {
    /// The place of this name.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "cpu" => Some(Self::Cpu),
            "gpu-passes" => Some(Self::GpuPasses),
            "cuda" => Some(Self::Cuda),
            "cuda-graph" => Some(Self::CudaGraph),
            _ => None,
        }
    }
}

/// A case's plan, ready to run.
pub(crate) enum Engine {
    Host(Box<Plan>),
    Gpu { runner: Box<Runner>, graph: bool },
}

impl Engine {
    pub(crate) fn new(plan: Plan, place: Place) -> Result<Self, Failure> {
        if matches!(place, Place::Cpu | Place::GpuPasses) {
            return Ok(Self::Host(Box::new(plan)));
        }
        let runner = Runner::new(plan, Precision::Fp32, 0).map_err(failure)?;
        Ok(Self::Gpu { runner: Box::new(runner), graph: place == Place::CudaGraph })
    }

    pub(crate) fn run(&self, inputs: Vec<Value>) -> Result<Vec<Value>, Failure> {
        match self {
            Self::Host(plan) => plan.run(inputs, &RunContext::default()).map_err(failure),
            Self::Gpu { runner, graph: false } => runner.run(inputs).map_err(failure),
            Self::Gpu { runner, .. } => match runner.replay(inputs.clone()).map_err(failure)? {
                Some(outputs) => Ok(outputs),
                None => runner.run(inputs).map_err(failure),
            },
        }
    }
}

fn failure(error: impl std::fmt::Display) -> Failure {
    Failure::Error(error.to_string())
}
