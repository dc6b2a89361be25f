//! The protocol over gRPC: one file for each resource, each a function from message to message.

mod actions;
mod bounded;
mod config;
mod health;
mod infer;
mod logging;
mod metadata;
mod repository;
mod service;
mod statistics;
mod timeout;
mod trace;
mod unpack;
mod until_stop;

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
};
use girandole_core::{Error, Result};
use girandole_proto::oip::{DESCRIPTOR, grpc_inference_service_server::GrpcInferenceServiceServer};
use tonic::{Status, codec::CompressionEncoding, service::Routes};
use tonic_health::pb::{FILE_DESCRIPTOR_SET as HEALTH, health_server::HealthServer};
use tonic_reflection::server::Builder;

use self::bounded::Bounded;
use super::Oip;
use crate::{
    layers::{
        Style,
        authorize::{Door, authorize},
        concurrency::Bound,
        intake::Intake,
    },
    security::Guard,
    stop::Stop,
};

/// What the inference service is called in health checks.
const SERVICE: &str = "inference.GRPCInferenceService";

const ENCODINGS: [CompressionEncoding; 2] = [CompressionEncoding::Gzip, CompressionEncoding::Deflate];

/// The services of the gRPC listener. What goes on for as long as the client likes (streams of requests,
/// health watches) ends with `stop`, else it would hold up the drain.
///
/// # Errors
/// `Internal` where the reflection service cannot be built.
pub(crate) fn router(oip: Oip, stop: Stop) -> Result<Router> {
    let failed = |_| Error::internal("the gRPC reflection service could not be built");
    let reflection = || {
        Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTOR)
            .register_encoded_file_descriptor_set(HEALTH)
    };
    let limit = oip.limits.max_grpc_message_bytes;
    let intake = Intake { service: oip.service.clone(), limits: oip.limits, style: Style::Grpc };
    let requests = Bound::new(oip.limits.max_concurrent_requests);
    let guard = oip.guard.clone();
    let health = HealthServer::new(health::Health::new(oip.service.clone(), stop.clone()));
    let mut inference = GrpcInferenceServiceServer::new(service::Inference { oip, stop: stop.clone() })
        .max_decoding_message_size(limit)
        .max_encoding_message_size(usize::MAX);
    for encoding in ENCODINGS {
        inference = inference.accept_compressed(encoding).send_compressed(encoding);
    }
    let bounded = Bounded { service: inference, requests, intake };
    let bounded = Router::new().route_service(&format!("/{SERVICE}/{{*rpc}}"), bounded);
    let others = Routes::builder().routes();
    let others = others
        .add_service(health)
        .add_service(reflection().build_v1().map_err(failed)?)
        .add_service(reflection().build_v1alpha().map_err(failed)?)
        .into_axum_router()
        .reset_fallback()
        .route_layer(middleware::from_fn_with_state(stop, until_stop::until_stop));
    let all = bounded.merge(others);
    let all = if guard.is_open() { all } else { all.layer(middleware::from_fn_with_state(guard, guarded)) };
    Ok(all.fallback(unknown))
}

/// Lets a call in where the policy allows what it does.
async fn guarded(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let action = actions::of(request.uri().path());
    authorize(State(Door { guard, action, style: Style::Grpc }), request, next).await
}

async fn unknown() -> http::Response<axum::body::Body> {
    Status::unimplemented("no such service, see the reflection service").into_http()
}
