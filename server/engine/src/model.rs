//! A loaded model: its plan and what it takes and gives on the wire.

use std::sync::Arc;

use girandole_core::{
    DType, Dim, Error, MemoryUse, Model, ModelSpec, Placement, Result, Session, SessionOptions, TensorSpec,
};

use crate::{
    device,
    graph::{Fact, SymDim, ValueInfo},
    plan::Plan,
    session::OnnxSession,
};

/// A plan with its specification; shared by its sessions.
#[derive(Debug)]
pub(crate) struct OnnxModel {
    plan: Arc<Plan>,
    spec: ModelSpec,
}

impl OnnxModel {
    pub(crate) fn new(plan: Plan) -> Result<Self> {
        let spec = spec_of(&plan)?;
        Ok(Self { plan: Arc::new(plan), spec })
    }

    /// The plan.
    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }
}

impl Model for OnnxModel {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn session(&self, options: &SessionOptions) -> Result<Box<dyn Session>> {
        device::check(options.placement)?;
        Ok(Box::new(OnnxSession::new(self.plan.clone(), options.threads)?))
    }

    fn memory(&self) -> Vec<MemoryUse> {
        vec![MemoryUse { placement: Placement::default(), bytes: self.plan.constant_bytes() as u64 }]
    }
}

/// What a plan takes and gives on the wire.
pub(crate) fn spec_of(plan: &Plan) -> Result<ModelSpec> {
    let inputs = plan.inputs().map(spec).collect::<Result<Vec<_>>>()?;
    let outputs = plan.outputs().map(output_specs).collect::<Result<Vec<_>>>()?.concat();
    let max_batch_size = usize::from(takes_batches(&inputs, &outputs));
    Ok(ModelSpec { inputs, outputs, max_batch_size })
}

/// The wire's outputs of a graph's output: one, or for a sequence of maps its keys and its values.
fn output_specs(info: &ValueInfo) -> Result<Vec<TensorSpec>> {
    let Some(keys) = info.fact.map_keys else { return Ok(vec![spec(info)?]) };
    let values = TensorSpec { name: format!("{}_values", info.name), ..spec(info)? };
    let keys = TensorSpec { name: format!("{}_keys", info.name), dtype: keys.wire(), ..values.clone() };
    Ok(vec![keys, values])
}

fn spec(info: &ValueInfo) -> Result<TensorSpec> {
    let Fact { elem, shape, .. } = &info.fact;
    let dtype: DType = elem.map(crate::value::ElemType::wire).ok_or_else(|| {
        Error::invalid(format!(
            "'{}' has no known element type, or is no tensor; only tensors can be served",
            info.name
        ))
    })?;
    let dims = shape.as_ref().map(|dims| dims.iter().map(dim).collect());
    Ok(TensorSpec { name: info.name.clone(), dtype, dims, optional: false })
}

fn dim(dim: &SymDim) -> Dim {
    match dim {
        SymDim::Known(size) => Dim::Fixed(*size),
        free => Dim::Free(free.name().cloned()),
    }
}

/// Whether the first dimension counts rows: it is free in every input and output, and the inputs do not
/// name it differently.
fn takes_batches(inputs: &[TensorSpec], outputs: &[TensorSpec]) -> bool {
    let first = |spec: &TensorSpec| spec.dims.as_ref().and_then(|dims| dims.first().cloned());
    let free = |spec: &TensorSpec| matches!(first(spec), Some(Dim::Free(_)));
    let mut names: Vec<_> = inputs
        .iter()
        .filter_map(|spec| match first(spec) {
            Some(Dim::Free(name)) => name,
            _ => None,
        })
        .collect();
    names.dedup();
    !inputs.is_empty() && names.len() <= 1 && inputs.iter().chain(outputs).all(free)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(first: Dim) -> TensorSpec {
        TensorSpec {
            name: "x".into(),
            dtype: DType::F32,
            dims: Some(vec![first, Dim::Fixed(3)]),
            optional: false,
        }
    }

    fn named(name: &str) -> Dim {
        Dim::Free(Some(name.into()))
    }

    #[test]
    fn a_batch_needs_a_free_first_dimension_everywhere() {
        let free = || tensor(named("N"));
        assert!(takes_batches(&[free(), free()], &[tensor(Dim::Free(None))]));
        assert!(!takes_batches(&[free(), tensor(Dim::Fixed(2))], &[free()]));
        assert!(!takes_batches(&[free()], &[tensor(Dim::Fixed(1))]));
        assert!(!takes_batches(&[free(), tensor(named("M"))], &[free()]));
        assert!(!takes_batches(&[], &[free()]));
    }
}
