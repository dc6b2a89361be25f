//! The operators: one trait, one table, one file per operator (or per few of one shape) in a folder per
//! family. What an operator needs of its node is parsed once, by operator-set version, when the model loads.
//!
//! To add an operator: a file in its family with an attributes struct, `parse`, `infer` and `eval`, and its
//! `OpDef` in the family's `OPS`.

mod arity;
mod context;
pub(crate) mod control;
pub mod function;
pub(crate) mod fused;
pub(crate) mod math;
pub(crate) mod microsoft;
pub(crate) mod ml;
pub(crate) mod nn;
pub(crate) mod quant;
pub(crate) mod tensor;
pub(crate) mod text;

use std::{any::Any, fmt::Debug};

pub use arity::required_inputs;
pub use context::{Facts, Inputs, Outputs, RunContext, one};

use girandole_kernels::math::Function;

use crate::{error::Result, graph::Fact, onnx::NodeDef, plan::Plan};

use function::FunctionDef;
pub use tensor::Walk;

/// An operator with its attributes, ready to run.
pub trait Op: Any + Debug + Send + Sync {
    /// What is known of the outputs from what is known of the inputs: one fact for each of `outputs`.
    ///
    /// # Errors
    /// `Invalid` where the inputs can never fit (a wrong element type, say), so that loading fails.
    fn infer(&self, inputs: &Facts<'_>, outputs: usize) -> Result<Vec<Fact>> {
        let _ = inputs;
        Ok(vec![Fact::default(); outputs])
    }

    /// Runs it.
    ///
    /// # Errors
    /// `Invalid` where the data do not fit; never panics, whatever the data.
    fn eval(&self, inputs: Inputs, run: &RunContext) -> Result<Outputs>;

    /// The function that it is of each f32 of its only input, where it does no more than that and a kernel
    /// may do it beside other work.
    fn function(&self) -> Option<Function> {
        None
    }

    /// Where its outputs' elements lie in its first input, of this shape, where it does no more than move them: a
    /// walk for each output over elements in order. `inputs` are the others.
    fn movement(&self, shape: &[usize], inputs: &Inputs) -> Option<Result<Vec<Walk>>> {
        let _ = (shape, inputs);
        None
    }

    /// The plan that it runs over parts of its inputs, where a pass has put one in the place of several nodes.
    fn body(&self) -> Option<&Plan> {
        None
    }

    /// Bytes of the weights that it holds.
    fn constant_bytes(&self) -> usize {
        0
    }

    /// Whether each element of the outputs follows from those at its place in the inputs, once they are
    /// broadcast, so that the order of dimensions does not matter.
    fn is_pointwise(&self) -> bool {
        false
    }

    /// Whether each part of the outputs along the first dimension follows from the same part of all inputs that
    /// are not constant, which have as many, so that images may be worked on one by one.
    fn is_by_image(&self) -> bool {
        false
    }

    /// Whether its inputs must have the types that the file gives them, since it holds graphs that are made for those.
    fn keeps_types(&self) -> bool {
        false
    }

    /// Whether equal inputs give equal outputs, so that it may run once at load when they are constant.
    fn is_pure(&self) -> bool {
        true
    }
}

/// The domain of an operator set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Domain {
    /// `""` or `ai.onnx`.
    Onnx,
    /// `ai.onnx.ml`.
    Ml,
    /// `com.microsoft`.
    Microsoft,
}

impl Domain {
    /// The domain of a name in a model file.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "" | "ai.onnx" => Some(Self::Onnx),
            "ai.onnx.ml" => Some(Self::Ml),
            "com.microsoft" => Some(Self::Microsoft),
            _ => None,
        }
    }

    /// The newest version of the operator set that the engine knows.
    pub const fn newest(self) -> u32 {
        match self {
            Self::Onnx => 24,
            Self::Ml => 5,
            Self::Microsoft => 1,
        }
    }

    /// The name for messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Onnx => "ai.onnx",
            Self::Ml => "ai.onnx.ml",
            Self::Microsoft => "com.microsoft",
        }
    }
}

/// An entry of the operator table.
#[derive(Debug)]
pub struct OpDef {
    /// Its domain.
    pub domain: Domain,
    /// Its name in model files.
    pub name: &'static str,
    /// The oldest operator-set version that `parse` understands.
    pub since: u32,
    /// Reads a node's attributes, by [`NodeDef::opset`].
    pub parse: fn(&NodeDef<'_>) -> Result<Box<dyn Op>>,
}

impl OpDef {
    /// An operator of the ONNX domain.
    pub const fn onnx(
        name: &'static str,
        since: u32,
        parse: fn(&NodeDef<'_>) -> Result<Box<dyn Op>>,
    ) -> Self {
        Self { domain: Domain::Onnx, name, since, parse }
    }

    /// An operator of the ONNX-ML domain.
    pub const fn ml(name: &'static str, since: u32, parse: fn(&NodeDef<'_>) -> Result<Box<dyn Op>>) -> Self {
        Self { domain: Domain::Ml, name, since, parse }
    }

    /// An operator of ONNX Runtime's own domain, which has one version.
    pub const fn microsoft(name: &'static str, parse: fn(&NodeDef<'_>) -> Result<Box<dyn Op>>) -> Self {
        Self { domain: Domain::Microsoft, name, since: 1, parse }
    }
}

/// Every operator, family by family.
pub fn table() -> impl Iterator<Item = &'static OpDef> {
    [math::OPS, tensor::OPS, text::OPS, nn::OPS, ml::OPS, control::OPS, quant::OPS, microsoft::OPS]
        .into_iter()
        .flatten()
        .copied()
        .flatten()
}

/// Every operator that is defined by others, family by family.
pub fn functions() -> impl Iterator<Item = &'static FunctionDef> {
    microsoft::FUNCTIONS.iter().copied().flatten()
}

/// The operator of this domain and name that is defined by others.
pub fn find_function(domain: Domain, name: &str) -> Option<&'static FunctionDef> {
    functions().find(|def| def.domain == domain && def.name == name)
}

/// The operator of this domain and name.
pub fn find(domain: Domain, name: &str) -> Option<&'static OpDef> {
    table().find(|def| def.domain == domain && def.name == name)
}

/// A boxed operator as the result of a parse.
///
/// # Errors
/// None; the form fits [`OpDef::parse`].
pub fn boxed<T: Op + 'static>(op: T) -> Result<Box<dyn Op>> {
    Ok(Box::new(op))
}
