//! `grpc.health.v1`: the server's health under the empty name and the inference service's, a model's under
//! the model's name.

use std::{pin::Pin, time::Duration};

use futures::Stream;
use girandole_core::VersionSelector;
use girandole_runtime::service::Service;
use tonic::{Request, Response, Status};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus, health_server,
};

use super::SERVICE;
use crate::stop::Stop;

/// How often a watch looks for a change.
const EVERY: Duration = Duration::from_secs(1);

/// The health service.
pub(super) struct Health {
    service: Service,
    stop: Stop,
}

impl Health {
    pub(super) const fn new(service: Service, stop: Stop) -> Self {
        Self { service, stop }
    }
}

fn state(service: &Service, name: &str) -> ServingStatus {
    let serving = match name {
        "" | SERVICE => Ok(service.is_ready()),
        model => service.model_ready(model, &VersionSelector::Any),
    };
    match serving {
        Ok(true) => ServingStatus::Serving,
        Ok(false) => ServingStatus::NotServing,
        Err(_) => ServingStatus::ServiceUnknown,
    }
}

fn answer(state: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: state.into() }
}

#[tonic::async_trait]
impl health_server::Health for Health {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let name = request.into_inner().service;
        match state(&self.service, &name) {
            ServingStatus::ServiceUnknown => Err(Status::not_found("no such service or model")),
            known => Ok(Response::new(answer(known))),
        }
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let name = request.into_inner().service;
        let (service, mut stop) = (self.service.clone(), self.stop.clone());
        let changes = async_stream::stream! {
            let mut timer = tokio::time::interval(EVERY);
            let mut last = None;
            loop {
                tokio::select! {
                    _ = stop.announced() => break,
                    _ = timer.tick() => {}
                }
                let now = state(&service, &name);
                if last.replace(now) != Some(now) {
                    yield Ok(answer(now));
                }
            }
            yield Ok(answer(ServingStatus::NotServing));
        };
        Ok(Response::new(Box::pin(changes)))
    }
}
