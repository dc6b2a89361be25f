//! The end: what is in work is answered, what takes too long is cut off and counted, and what only stays
//! open ends by itself.

use std::time::Duration;

use girandole_proto::oip::ModelInferRequest;
use tokio::{sync::mpsc, time::Instant};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest,
};

use crate::{grpc::request, harness::Server};

/// Long enough for everything that ends by itself, on a busy machine too.
const AMPLE: Duration = Duration::from_secs(60);

/// A client's side of a stream, open until dropped.
fn open_stream<T>(
    messages: impl IntoIterator<Item = T>,
) -> (mpsc::UnboundedSender<T>, UnboundedReceiverStream<T>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    messages.into_iter().for_each(|message| drop(sender.send(message)));
    (sender, receiver.into())
}

#[tokio::test]
async fn what_is_not_done_by_the_deadline_is_cut_off_and_counted() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    let running = tokio::spawn(async move { client.model_infer(request("gated", "", &[1.0])).await });
    server.gate.entered().await;
    let ended = server.stop(Duration::from_millis(20)).await.unwrap().unwrap();
    assert_eq!(ended.cut_off, 1);
    assert!(ended.deadline <= Instant::now());
    running.await.unwrap().unwrap_err();
}

#[tokio::test]
async fn a_stream_is_answered_as_far_as_it_was_read_and_then_ended() {
    let mut server = Server::start().await;
    let (_open, messages) = open_stream([request("gated", "mine", &[1.0])]);
    let mut client = server.client().await;
    let mut answers = client.model_stream_infer(messages).await.unwrap().into_inner();
    server.gate.entered().await;
    let ended = server.stop(AMPLE);
    server.gate.open();
    assert_eq!(answers.message().await.unwrap().unwrap().infer_response.unwrap().id, "mine");
    assert_eq!(answers.message().await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(ended.await.unwrap().unwrap().cut_off, 0);
}

#[tokio::test]
async fn streams_that_only_stay_open_do_not_hold_up_the_end() {
    let mut server = Server::start().await;
    let channel = server.channel().await;
    let (_open, messages) = open_stream::<ModelInferRequest>([]);
    let mut idle = server.client().await.model_stream_infer(messages).await.unwrap().into_inner();
    let health = HealthCheckRequest::default();
    let mut watch = HealthClient::new(channel.clone()).watch(health).await.unwrap().into_inner();
    assert!(watch.message().await.unwrap().is_some());
    let services = ServerReflectionRequest {
        message_request: Some(MessageRequest::ListServices(String::new())),
        ..Default::default()
    };
    let (_asking, questions) = open_stream([services]);
    let mut reflection = ServerReflectionClient::new(channel);
    let mut services = reflection.server_reflection_info(questions).await.unwrap().into_inner();
    assert!(services.message().await.unwrap().is_some());

    let ended = server.stop(AMPLE).await.unwrap().unwrap();
    assert_eq!(ended.cut_off, 0);
    assert!(Instant::now() < ended.deadline, "it ended by itself");
    assert_eq!(idle.message().await.unwrap_err().code(), Code::Unavailable);
    assert!(services.message().await.unwrap().is_none(), "ended in peace");
    assert!(watch.message().await.unwrap().is_some(), "not serving");
}
