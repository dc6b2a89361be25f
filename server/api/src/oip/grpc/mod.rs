//! The protocol over gRPC: one file for each resource, each a function from message to message.

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
mod until_stop;

use axum::{Router, middleware};
use girandole_core::{Error, Result};
use girandole_proto::oip::{DESCRIPTOR, grpc_inference_service_server::GrpcInferenceServiceServer};
use tonic::{Status, codec::CompressionEncoding, service::Routes};
use tonic_health::pb::{FILE_DESCRIPTOR_SET as HEALTH, health_server::HealthServer};
use tonic_reflection::server::Builder;

use super::Oip;
use crate::{
    layers::{concurrency, concurrency::Style},
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
    let bound = concurrency::Bound::new(oip.limits.max_concurrent_requests, Style::Grpc);
    let health = HealthServer::new(health::Health::new(oip.service.clone(), stop.clone()));
    let mut inference = GrpcInferenceServiceServer::new(service::Inference { oip, stop: stop.clone() })
        .max_decoding_message_size(limit)
        .max_encoding_message_size(usize::MAX);
    for encoding in ENCODINGS {
        inference = inference.accept_compressed(encoding).send_compressed(encoding);
    }
    let bounded = Routes::new(inference).into_axum_router();
    let bounded = bounded.route_layer(middleware::from_fn_with_state(bound, concurrency::admit));
    let others = Routes::builder().routes();
    let others = others
        .add_service(health)
        .add_service(reflection().build_v1().map_err(failed)?)
        .add_service(reflection().build_v1alpha().map_err(failed)?)
        .into_axum_router()
        .reset_fallback()
        .route_layer(middleware::from_fn_with_state(stop, until_stop::until_stop));
    Ok(bounded.merge(others).fallback(unknown))
}

async fn unknown() -> http::Response<axum::body::Body> {
    Status::unimplemented("no such service, see the reflection service").into_http()
}
