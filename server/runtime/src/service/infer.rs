//! The way of one request through the runtime: budget, route, check, run, name what came back.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use girandole_core::{
    Error, InferRequest, InferResponse, NamedTensor, RequestedOutput, Result, Route, Tensor,
};

use super::{BytesHeld, Service};
use crate::{
    classification::classify,
    metrics::FailureReason,
    shadow::{Copied, Recipient},
    snapshot::{Routed, ServedVersion},
    sync::now,
    trace::Trace,
};

impl Service {
    /// Room for a request that is still being read, nothing yet; [`infer`](Self::infer) takes its own.
    pub fn hold_bytes(&self) -> BytesHeld {
        self.0.in_flight.hold()
    }

    /// Runs one request.
    ///
    /// Dropping the future cancels the request where it still waits.
    ///
    /// # Errors
    /// Any code of [`girandole_core::ErrorCode`] that a request can meet.
    pub async fn infer(&self, request: InferRequest) -> Result<InferResponse> {
        let received = now();
        if self.0.shutting_down.load(Ordering::Relaxed) {
            return Err(Error::unavailable("the server is shutting down"));
        }
        let snapshot = self.0.snapshot.load();
        let Routed { version, route, shadow, sample, trial: _trial } = snapshot.route(&request)?;
        let version = version.clone();
        drop(snapshot);
        let answer = self.answer(&version, request, Arrival { route, shadow, received }).await;
        if let Some(sample) = sample {
            sample.ended(answer.as_ref().map(|answer| &*answer.outputs));
        }
        answer
    }

    /// What a version answers.
    async fn answer(
        &self,
        version: &Arc<ServedVersion>,
        mut request: InferRequest,
        Arrival { route, shadow, received }: Arrival,
    ) -> Result<InferResponse> {
        let refused = |error| {
            version.serving.refused(FailureReason::Other, received);
            error
        };
        let held = self.0.in_flight.take(request.payload_bytes()).map_err(refused)?;
        let spec = &version.settings.spec;
        let rows = spec.check(&request).map_err(refused)?;
        check_classifications(&request.outputs).map_err(refused)?;
        let sampled = self.0.tracer.sample(&version.model);
        let trace = sampled
            .map(|sampled| Trace::queued(sampled, (&version.model, version.version), &request, received));
        let id = std::mem::take(&mut request.id);
        let asked = request.outputs.clone();
        let copy = shadow.map(|to| Copied::of(&request, version, to));
        let answer = version.serving.infer(request, rows, received).await;
        if let Some(mut trace) = trace {
            if let Ok(answer) = &answer {
                trace.answered(answer.times, output_names(version, &asked).zip(&answer.tensors));
            }
            self.0.tracer.write(trace.ended());
        }
        let tensors = answer?.tensors;
        if let Some(copy) = copy {
            self.0.shadows.offer(copy, &tensors, held);
        }
        let outputs = name_outputs(version, &asked, tensors)?;
        let model = version.model.to_string();
        let (version, parameters) = (version.version, Default::default());
        Ok(InferResponse { model, version, route, id, outputs, parameters })
    }
}

/// What is known of a request besides what it asks.
struct Arrival {
    /// Why it goes to its version.
    route: Route,
    /// Who gets a copy.
    shadow: Option<Recipient>,
    /// When it came.
    received: Instant,
}

fn check_classifications(asked: &[RequestedOutput]) -> Result<()> {
    match asked.iter().find(|output| output.classification == Some(0)) {
        Some(output) => Err(Error::invalid(format!(
            "output '{}' asks for the top 0 classes, expected at least 1",
            output.name
        ))),
        None => Ok(()),
    }
}

/// The names of an answer's tensors, in their order.
fn output_names<'a>(
    version: &'a ServedVersion,
    asked: &'a [RequestedOutput],
) -> impl Iterator<Item = &'a str> {
    let all = if asked.is_empty() { version.settings.spec.outputs.as_slice() } else { &[] };
    asked.iter().map(|output| output.name.as_str()).chain(all.iter().map(|spec| spec.name.as_str()))
}

/// The answer's tensors under their names, classified where the caller asked for it.
fn name_outputs(
    version: &Arc<ServedVersion>,
    asked: &[RequestedOutput],
    tensors: Vec<Tensor>,
) -> Result<Vec<NamedTensor>> {
    if asked.is_empty() {
        let named = version.settings.spec.outputs.iter().zip(tensors);
        return Ok(named.map(|(spec, tensor)| NamedTensor::new(&spec.name, tensor)).collect());
    }
    asked.iter().zip(tensors).map(|(output, tensor)| name_output(version, output, tensor)).collect()
}

fn name_output(version: &ServedVersion, asked: &RequestedOutput, tensor: Tensor) -> Result<NamedTensor> {
    let tensor = match asked.classification {
        None => tensor,
        Some(top) => {
            let labels = version.settings.class_labels.get(&asked.name).map_or(&[][..], Vec::as_slice);
            classify(&tensor, top, labels, version.settings.spec.batches())
                .map_err(|error| error.context(format!("output '{}'", asked.name)))?
        }
    };
    Ok(NamedTensor::new(asked.name.clone(), tensor))
}
