//! Triton's `reshape`: clients see one shape, the model takes another of as many elements.
//!
//! A model is wrapped so that its sessions take and give the clients' shapes; bytes are never touched, and a
//! model without a reshape is not wrapped at all.

use std::sync::Arc;

use girandole_core::{
    Batch, BatchOutputs, Buckets, Error, MemoryUse, Model, ModelSpec, PrecisionReport, Reply, Result,
    Session, SessionOptions, Shape, Tensor,
};

/// The two forms of one tensor, both without the batch dimension; -1 matches -1 in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reshape {
    client: Vec<i64>,
    model: Vec<i64>,
}

impl Reshape {
    /// The pair, or `None` where the two hold different numbers of elements.
    pub(super) fn new(client: &[i64], model: &[i64]) -> Option<Self> {
        let fixed = |dims: &[i64]| -> Option<Vec<i64>> {
            let product = |run: &[i64]| run.iter().try_fold(1i64, |product, &dim| product.checked_mul(dim));
            dims.split(|&dim| dim == -1).map(product).collect()
        };
        let same = fixed(client)? == fixed(model)?;
        same.then(|| Self { client: client.to_vec(), model: model.to_vec() })
    }

    fn to_model(&self, shape: &Shape, batches: bool) -> Result<Shape> {
        convert(shape, &self.client, &self.model, batches)
    }

    fn to_client(&self, shape: &Shape, batches: bool) -> Result<Shape> {
        convert(shape, &self.model, &self.client, batches)
    }
}

fn convert(shape: &Shape, from: &[i64], to: &[i64], batches: bool) -> Result<Shape> {
    let mismatch =
        || Error::internal(format!("a tensor of shape {shape} does not have the configured form {from:?}"));
    let (lead, rest) = shape.split_at_checked(usize::from(batches)).ok_or_else(mismatch)?;
    if rest.len() != from.len() {
        return Err(mismatch());
    }
    let mut free = rest.iter().zip(from).filter(|&(_, &dim)| dim == -1).map(|(&size, _)| size);
    let rest = to.iter().map(|&dim| usize::try_from(dim).ok().or_else(|| free.next()));
    lead.iter().map(|&size| Some(size)).chain(rest).collect::<Option<Shape>>().ok_or_else(mismatch)
}

/// The reshapes of a model, by its inputs' and outputs' order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reshapes {
    pub(super) batches: bool,
    pub(super) inputs: Vec<Option<Reshape>>,
    pub(super) outputs: Vec<Option<Reshape>>,
}

impl Reshapes {
    /// The model as clients see it.
    pub fn wrap(self, model: Arc<dyn Model>) -> Arc<dyn Model> {
        if self.inputs.iter().chain(&self.outputs).all(Option::is_none) {
            return model;
        }
        Arc::new(ReshapedModel { model, reshapes: Arc::new(self) })
    }

    fn apply_inputs(&self, batch: &mut Batch) -> Result<()> {
        for input in &mut batch.inputs {
            if let Some(Some(reshape)) = self.inputs.get(input.index) {
                input.shape = reshape.to_model(&input.shape, self.batches)?;
            }
        }
        Ok(())
    }

    fn apply_outputs(&self, wanted: &[usize], outputs: &mut BatchOutputs) -> Result<()> {
        for (index, tensor) in wanted.iter().zip(&mut outputs.tensors) {
            if let Some(Some(reshape)) = self.outputs.get(*index) {
                let shape = reshape.to_client(tensor.shape(), self.batches)?;
                *tensor = Tensor::new(tensor.dtype(), shape, tensor.data().clone())?;
            }
        }
        Ok(())
    }
}

struct ReshapedModel {
    model: Arc<dyn Model>,
    reshapes: Arc<Reshapes>,
}

impl Model for ReshapedModel {
    fn spec(&self) -> &ModelSpec {
        self.model.spec()
    }

    fn session(&self, options: &SessionOptions) -> Result<Box<dyn Session>> {
        let session = self.model.session(options)?;
        Ok(Box::new(ReshapedSession { session, reshapes: self.reshapes.clone() }))
    }

    fn memory(&self) -> Vec<MemoryUse> {
        self.model.memory()
    }

    fn buckets(&self) -> Option<Buckets> {
        self.model.buckets()
    }

    fn check_precision(&self, sample: Result<&Batch>) -> Result<Option<PrecisionReport>> {
        let sample = sample.and_then(|sample| {
            let mut sample = sample.clone();
            self.reshapes.apply_inputs(&mut sample)?;
            Ok(sample)
        });
        self.model.check_precision(sample.as_ref().map_err(Error::clone))
    }
}

struct ReshapedSession {
    session: Box<dyn Session>,
    reshapes: Arc<Reshapes>,
}

impl Session for ReshapedSession {
    fn run(&mut self, mut batch: Batch, reply: Reply) {
        if let Err(error) = self.reshapes.apply_inputs(&mut batch) {
            return reply.send(Err(error));
        }
        let (wanted, reshapes) = (batch.outputs.clone(), self.reshapes.clone());
        let back = move |outcome: Result<BatchOutputs>| {
            reply.send(outcome.and_then(|mut outputs| {
                reshapes.apply_outputs(&wanted, &mut outputs)?;
                Ok(outputs)
            }));
        };
        self.session.run(batch, Reply::new(back));
    }

    fn depth(&self) -> usize {
        self.session.depth()
    }

    fn is_lost(&self) -> bool {
        self.session.is_lost()
    }

    fn memory(&self) -> u64 {
        self.session.memory()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_equal_numbers_of_elements_pair() {
        let cases: [(&[i64], &[i64], bool); 6] = [
            (&[1], &[], true),
            (&[4, 2], &[8], true),
            (&[-1, 4], &[-1, 2, 2], true),
            (&[2, -1], &[-1, 2], false),
            (&[-1], &[4], false),
            (&[3], &[4], false),
        ];
        for (client, model, pairs) in cases {
            assert_eq!(Reshape::new(client, model).is_some(), pairs, "{client:?} {model:?}");
        }
    }

    #[test]
    fn shapes_go_there_and_back() {
        let reshape = Reshape::new(&[-1, 4], &[-1, 2, 2]).unwrap();
        let client = Shape::new(&[7, 3, 4]);
        let model = reshape.to_model(&client, true).unwrap();
        assert_eq!(model, Shape::new(&[7, 3, 2, 2]));
        assert_eq!(reshape.to_client(&model, true).unwrap(), client);
        assert!(reshape.to_model(&Shape::new(&[7]), true).is_err());
    }
}
