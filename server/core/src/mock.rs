//! A model without an engine, for tests: a closure over batches, an identity by default.

use std::sync::Arc;

use bytes::BytesMut;

use crate::{
    Batch, BatchInput, BatchOutputs, LoadRequest, Loader, MemoryUse, Model, ModelSpec, Reply, Result,
    Session, SessionOptions, Tensor,
};

/// What a mock session does with a batch.
pub type Run = Arc<dyn Fn(&Batch) -> Result<BatchOutputs> + Send + Sync>;

/// What a mock loader makes of a file.
pub type Load = Arc<dyn Fn(&LoadRequest) -> Result<MockModel> + Send + Sync>;

/// A model that runs a closure.
#[derive(Clone)]
pub struct MockModel {
    spec: ModelSpec,
    run: Run,
}

impl MockModel {
    /// A model that answers output *i* with input *i*.
    pub fn identity(spec: ModelSpec) -> Self {
        Self::new(spec, Arc::new(identity))
    }

    /// A model that runs `run`.
    pub fn new(spec: ModelSpec, run: Run) -> Self {
        Self { spec, run }
    }
}

impl Model for MockModel {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn session(&self, _options: &SessionOptions) -> Result<Box<dyn Session>> {
        Ok(Box::new(MockSession(self.run.clone())))
    }

    fn memory(&self) -> Vec<MemoryUse> {
        Vec::new()
    }
}

struct MockSession(Run);

impl Session for MockSession {
    fn run(&mut self, batch: Batch, reply: Reply) {
        let outcome = (self.0)(&batch);
        reply.send(outcome);
    }
}

/// A loader that makes a [`MockModel`] of each request.
pub struct MockLoader(pub Load);

impl Loader for MockLoader {
    fn load(&self, request: &LoadRequest) -> Result<Arc<dyn Model>> {
        Ok(Arc::new((self.0)(request)?))
    }
}

/// Output *i* is input *i*.
///
/// # Errors
/// `Internal` where the batch's parts do not make up its shapes.
pub fn identity(batch: &Batch) -> Result<BatchOutputs> {
    let wanted = batch.outputs.iter().filter_map(|&i| batch.inputs.iter().find(|input| input.index == i));
    let tensors = wanted.map(gather).collect::<Result<_>>()?;
    Ok(BatchOutputs { tensors, ..BatchOutputs::default() })
}

/// The parts of an input as one tensor.
///
/// # Errors
/// `Internal` where the parts do not make up its shape.
pub fn gather(input: &BatchInput) -> Result<Tensor> {
    let mut data = BytesMut::new();
    input.parts.iter().for_each(|part| data.extend_from_slice(part));
    Tensor::new(input.dtype, input.shape.clone(), data.freeze())
}
