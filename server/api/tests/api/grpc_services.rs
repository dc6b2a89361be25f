//! gRPC: metadata, the repository, settings, health checks, reflection, and what is not served.

use futures::StreamExt;
use girandole_proto::oip::*;
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::{v1, v1alpha};

use crate::harness::Server;

#[tokio::test]
async fn health_and_metadata() {
    let server = Server::start().await;
    let mut client = server.client().await;
    assert!(client.server_live(ServerLiveRequest {}).await.unwrap().into_inner().live);
    let ready = |name: &str| ModelReadyRequest { name: name.into(), ..Default::default() };
    assert!(client.model_ready(ready("identity")).await.unwrap().into_inner().ready);
    assert!(!client.model_ready(ready("broken")).await.unwrap().into_inner().ready);
    assert!(!client.model_ready(ready("nobody")).await.unwrap().into_inner().ready);
    let metadata = client.server_metadata(ServerMetadataRequest {}).await.unwrap().into_inner();
    assert_eq!(metadata.name, "girandole");
    let request = ModelMetadataRequest { name: "identity".into(), ..Default::default() };
    let metadata = client.model_metadata(request).await.unwrap().into_inner();
    assert_eq!((metadata.versions[0].as_str(), &metadata.inputs[0].shape), ("1", &vec![-1, -1]));
    server.withdraw_readiness();
    assert!(!client.server_ready(ServerReadyRequest {}).await.unwrap().into_inner().ready);
}

#[tokio::test]
async fn configuration_statistics_and_the_repository() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let request = ModelConfigRequest { name: "identity".into(), ..Default::default() };
    let config = client.model_config(request).await.unwrap().into_inner().config.unwrap();
    assert_eq!(config.name, "identity");
    let request = ModelStatisticsRequest { name: "identity".into(), ..Default::default() };
    assert_eq!(client.model_statistics(request).await.unwrap().into_inner().model_stats.len(), 1);
    let index = client.repository_index(RepositoryIndexRequest::default()).await.unwrap().into_inner();
    assert!(index.models.iter().any(|model| model.name == "broken" && model.state == "UNAVAILABLE"));
    let named = RepositoryIndexRequest { repository_name: "mine".into(), ..Default::default() };
    assert_eq!(client.repository_index(named).await.unwrap_err().code(), Code::Unimplemented);
    let unload = RepositoryModelUnloadRequest { model_name: "identity".into(), ..Default::default() };
    client.repository_model_unload(unload).await.unwrap();
    let mut load = RepositoryModelLoadRequest { model_name: "identity".into(), ..Default::default() };
    client.repository_model_load(load.clone()).await.unwrap();
    load.parameters.insert("file:1/model.onnx".into(), ModelRepositoryParameter::default());
    let refused = client.repository_model_load(load).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("files cannot be replaced"), "{refused}");
}

#[tokio::test]
async fn log_and_trace_settings() {
    use log_settings_request::{SettingValue, setting_value::ParameterChoice as Choice};
    let server = Server::start().await;
    let mut client = server.client().await;
    let level = SettingValue { parameter_choice: Some(Choice::Uint32Param(1)) };
    let request = LogSettingsRequest { settings: [("log_verbose_level".to_owned(), level)].into() };
    let settings = client.log_settings(request).await.unwrap().into_inner().settings;
    assert_eq!(settings.len(), 5);
    let shown = settings["log_verbose_level"].parameter_choice.clone().unwrap();
    assert_eq!(shown, log_settings_response::setting_value::ParameterChoice::Uint32Param(1));

    let rate = trace_setting_request::SettingValue { value: vec!["9".into()] };
    let request =
        TraceSettingRequest { settings: [("trace_rate".to_owned(), rate)].into(), ..Default::default() };
    let settings = client.trace_setting(request).await.unwrap().into_inner().settings;
    assert_eq!(settings["trace_rate"].value, ["9"]);
}

#[tokio::test]
async fn shared_memory_and_unknown_services_are_unimplemented() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let status = client.system_shared_memory_status(SystemSharedMemoryStatusRequest::default()).await;
    assert_eq!(status.unwrap_err().code(), Code::Unimplemented);
    let status = client.cuda_shared_memory_register(CudaSharedMemoryRegisterRequest::default()).await;
    assert_eq!(status.unwrap_err().code(), Code::Unimplemented);
}

#[tokio::test]
async fn health_checks_know_the_server_and_every_model() {
    let server = Server::start().await;
    let mut client = HealthClient::new(server.channel().await);
    let request = |service: &str| HealthCheckRequest { service: service.into() };
    for (service, expected) in [
        ("", ServingStatus::NotServing),
        ("inference.GRPCInferenceService", ServingStatus::NotServing),
        ("identity", ServingStatus::Serving),
        ("broken", ServingStatus::NotServing),
    ] {
        let ready = server.service.is_ready();
        let expected = if service.is_empty() || service.contains('.') {
            if ready { ServingStatus::Serving } else { ServingStatus::NotServing }
        } else {
            expected
        };
        let status = client.check(request(service)).await.unwrap().into_inner().status();
        assert_eq!(status, expected, "{service}");
    }
    assert_eq!(client.check(request("nobody")).await.unwrap_err().code(), Code::NotFound);
    let mut watch = client.watch(request("identity")).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
}

#[tokio::test]
async fn reflection_lists_the_services_in_both_versions() {
    let server = Server::start().await;
    let expected = "inference.GRPCInferenceService";
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(server.channel().await);
    use v1::server_reflection_request::MessageRequest;
    let request = v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let stream = client.server_reflection_info(tokio_stream::iter([request])).await.unwrap().into_inner();
    let listed = format!("{:?}", stream.collect::<Vec<_>>().await);
    assert!(listed.contains(expected) && listed.contains("grpc.health.v1.Health"), "{listed}");

    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(server.channel().await);
    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(
            expected.to_owned(),
        )),
    };
    let stream = client.server_reflection_info(tokio_stream::iter([request])).await.unwrap().into_inner();
    let listed = format!("{:?}", stream.collect::<Vec<_>>().await);
    assert!(listed.contains("FileDescriptorResponse"), "{listed}");
}
