//! Copies of requests, answered by another version for the metrics alone.
//!
//! Invariants: a copy begins when its caller's answer is there, so it never delays that; it runs only where its version
//! has a session that idles and nothing waits there, so it is in nobody's way; there are at most [`MAX_IN_FLIGHT`],
//! and their bytes count as in flight. What does not fit is dropped, and counted.

mod compare;
mod metrics;

use std::{sync::Arc, time::Instant};

use girandole_core::{InferRequest, Priority, RequestedOutput, Result, Tensor};
use tokio::{runtime::Handle, sync::Semaphore};

pub(crate) use self::metrics::{BUCKETS, DIFFERENCE, ShadowMetrics, describe};
use crate::{rollout::Watch, service::BytesHeld, snapshot::ServedVersion};

/// Copies that may be under way at once.
const MAX_IN_FLIGHT: usize = 32;

/// Who answers copies of a model's requests.
pub(crate) struct Recipient {
    /// The version.
    pub(crate) version: Arc<ServedVersion>,
    /// How far its outputs may be off.
    pub(crate) tolerance: f64,
    /// Its counts.
    pub(crate) metrics: Arc<ShadowMetrics>,
    /// The rollout that the comparison counts for, if one runs.
    pub(crate) watch: Option<Arc<Watch>>,
}

/// A copy of a request, and who is to answer it.
pub(crate) struct Copied {
    request: InferRequest,
    to: Recipient,
}

/// The copies under way.
pub(crate) struct Shadows {
    permits: Arc<Semaphore>,
}

impl Default for Shadows {
    fn default() -> Self {
        Self { permits: Arc::new(Semaphore::new(MAX_IN_FLIGHT)) }
    }
}

impl Copied {
    /// A copy of what `answering` is asked for, by name, so that both give the same outputs in the same order.
    pub(crate) fn of(request: &InferRequest, answering: &ServedVersion, to: Recipient) -> Self {
        let mut request = InferRequest {
            priority: Priority::default(),
            queue_timeout: None,
            deadline: None,
            headers: None,
            ..request.clone()
        };
        if request.outputs.is_empty() {
            let all = answering.settings.spec.outputs.iter();
            let by_name = |name: &String| RequestedOutput { name: name.clone(), classification: None };
            request.outputs = all.map(|output| by_name(&output.name)).collect();
        }
        Self { request, to }
    }

    async fn answer(request: InferRequest, version: &ServedVersion) -> Result<Vec<Tensor>> {
        let rows = version.settings.spec.check(&request)?;
        Ok(version.serving.infer(request, rows, Instant::now()).await?.tensors)
    }
}

impl Recipient {
    /// Counts what came of a copy whose caller got `tensors`. One that failed agrees with nothing.
    fn compare(&self, tensors: &[Tensor], answer: Result<Vec<Tensor>>) {
        let difference = answer.map(|answer| compare::difference(tensors, &answer));
        match &difference {
            Ok(difference) => self.metrics.compared(*difference, self.tolerance),
            Err(error) => self.metrics.failed(error),
        }
        if let Some(watch) = &self.watch {
            watch.compared(difference.is_ok_and(|difference| difference <= self.tolerance));
        }
    }
}

impl Shadows {
    /// Runs a copy whose caller got `tensors`, or drops it; `held` is the caller's share of the bytes in flight.
    pub(crate) fn offer(&self, copy: Copied, tensors: &[Tensor], held: BytesHeld) {
        let Copied { request, to } = copy;
        let permit = self.permits.clone().try_acquire_owned().ok().filter(|_| to.version.serving.is_idle());
        let (Some(permit), Ok(runtime)) = (permit, Handle::try_current()) else {
            return to.metrics.dropped();
        };
        let tensors = tensors.to_vec();
        runtime.spawn(async move {
            to.compare(&tensors, Copied::answer(request, &to.version).await);
            drop((permit, held));
        });
    }
}
