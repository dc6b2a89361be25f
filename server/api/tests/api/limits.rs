//! What a request may take while it is read: time, memory, and how far it unpacks.

use std::{convert::Infallible, io::Write, net::SocketAddr, time::Duration};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use futures::{StreamExt, stream};
use girandole_api::Limits;
use girandole_proto::{
    bounds::MOST_FIELDS,
    oip::{ModelInferRequest, model_infer_request::InferInputTensor},
};
use girandole_runtime::lifecycle::RuntimeOptions;
use http::{Method, Request, Response, Version};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tonic::{Code, codec::CompressionEncoding};

use crate::harness::Server;

const INFER: &str = "/v2/models/identity/infer";
const RPC: &str = "/inference.GRPCInferenceService/ModelInfer";

fn gzip(body: &[u8]) -> Bytes {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(body).unwrap();
    packed.finish().unwrap().into()
}

/// A request in whose body nothing comes after its first part, and what is answered nevertheless.
async fn unfinished(at: SocketAddr, path: &str, version: Version) -> Response<hyper::body::Incoming> {
    let first = stream::iter([Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"\0")))]);
    let request = Request::post(format!("http://{at}{path}"))
        .version(version)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(StreamBody::new(first.chain(stream::pending())))
        .unwrap();
    let mut client = Client::builder(TokioExecutor::new());
    client.http2_only(version == Version::HTTP_2).build_http().request(request).await.unwrap()
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let limits = Limits { body_timeout: Duration::from_millis(50), ..Limits::default() };
    let server = Server::with(limits).await;
    let answer = unfinished(server.http, INFER, Version::HTTP_11).await;
    assert_eq!(answer.status(), 504);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(body.starts_with(b"{\"error\":\"the body did not come within"), "{body:?}");
    let answer = unfinished(server.grpc, RPC, Version::HTTP_2).await;
    let code = Code::from_bytes(answer.headers()["grpc-status"].as_bytes());
    assert_eq!(code, Code::DeadlineExceeded, "{answer:?}");
}

#[tokio::test]
async fn a_body_may_not_unpack_to_many_times_its_size() {
    let server = Server::with(Limits { max_expansion: 20, ..Limits::default() }).await;
    let headers = [("content-encoding", "gzip")];
    let post = |body: Vec<u8>| server.send(Method::POST, INFER, &headers, gzip(&body));
    let request = br#"{"inputs":[{"name":"x","datatype":"FP32","shape":[1,1],"data":[1]}]}"#;
    let padded = |bytes| [vec![b' '; bytes], request.to_vec()].concat();
    let bomb = post(padded(2 << 20)).await;
    assert_eq!(bomb.status, 413, "{}", bomb.text());
    assert_eq!(bomb.error(), "the body unpacks to more than 20 times its size, send it uncompressed");
    assert_eq!(post(padded(1 << 19)).await.status, 200, "little is let through however it was packed");
    let plain = server.post(INFER, padded(2 << 20)).await;
    assert_eq!(plain.status, 200, "{}", plain.text());
}

#[tokio::test]
async fn a_message_may_not_unpack_to_many_times_its_size() {
    let server = Server::with(Limits { max_expansion: 20, ..Limits::default() }).await;
    for encoding in [CompressionEncoding::Gzip, CompressionEncoding::Deflate] {
        let mut client = server.client().await.send_compressed(encoding);
        let bomb = client.model_infer(padded(2 << 20)).await.unwrap_err();
        assert_eq!(bomb.code(), Code::ResourceExhausted, "{bomb}");
        let why = "the message unpacks to more than 20 times its size, send it uncompressed";
        assert_eq!(bomb.message(), why);
        let stream = client.model_stream_infer(stream::iter([padded(2 << 20)])).await;
        let bomb = match stream {
            Ok(answers) => answers.into_inner().message().await.unwrap_err(),
            Err(status) => status,
        };
        assert_eq!((bomb.code(), bomb.message()), (Code::ResourceExhausted, why));
        let little = client.model_infer(padded(1 << 19)).await;
        assert!(little.is_ok(), "little is let through however it was packed: {little:?}");
    }
    let plain = server.client().await.model_infer(padded(2 << 20)).await;
    assert!(plain.is_ok(), "{plain:?}");
}

#[tokio::test]
async fn messages_take_from_the_budget_as_they_are_unpacked() {
    let options = RuntimeOptions { in_flight_bytes: 250_000, ..RuntimeOptions::default() };
    let server = Server::within(Limits::default(), options).await;
    let mut client = server.client().await.send_compressed(CompressionEncoding::Gzip);
    let status = client.model_infer(padded(1 << 19)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(status.message().contains("exceeds the server's limit of 250000"), "{status}");
    assert!(client.model_infer(padded(1 << 10)).await.is_ok(), "what was taken is given back");
}

/// A request that the model takes, with so many bytes in it that are one and the same.
fn padded(bytes: usize) -> ModelInferRequest {
    let x = InferInputTensor {
        name: "x".into(),
        datatype: "FP32".into(),
        shape: vec![1, 1],
        ..InferInputTensor::default()
    };
    ModelInferRequest {
        model_name: "identity".into(),
        id: " ".repeat(bytes),
        inputs: vec![x],
        raw_input_contents: vec![1_f32.to_le_bytes().to_vec().into()],
        ..ModelInferRequest::default()
    }
}

#[tokio::test]
async fn bodies_take_from_the_budget_while_they_come() {
    let options = RuntimeOptions { in_flight_bytes: 100, ..RuntimeOptions::default() };
    let server = Server::within(Limits::default(), options).await;
    let answer = server.post(INFER, " ".repeat(101)).await;
    assert_eq!(answer.status, 413);
    assert!(answer.error().contains("101 bytes exceeds the server's limit of 100"), "{}", answer.error());
    let fits = r#"{"inputs":[{"name":"x","datatype":"FP32","shape":[1,1],"data":[1]}]}"#;
    assert_eq!(server.post(INFER, fits).await.status, 200, "what was taken is given back");
    let status = server.client().await.model_infer(message(50)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(status.message().contains("exceeds the server's limit of 100"), "{status}");
}

#[tokio::test]
async fn what_changes_settings_is_small() {
    let server = Server::start().await;
    let paths =
        ["/v2/logging", "/v2/trace/setting", "/v2/repository/index", "/v2/repository/models/identity/load"];
    for path in paths {
        let answer = server.post(path, " ".repeat((1 << 20) + 1)).await;
        assert_eq!(answer.status, 413, "{path}: {}", answer.text());
        assert!(answer.error().contains("the limit of 1048576 bytes"), "{path}: {}", answer.error());
    }
}

fn message(inputs: usize) -> ModelInferRequest {
    let inputs = vec![InferInputTensor::default(); inputs];
    ModelInferRequest { model_name: "identity".into(), inputs, ..ModelInferRequest::default() }
}

#[tokio::test]
async fn a_message_of_very_many_fields_is_not_decoded() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let status = client.model_infer(message(MOST_FIELDS + 1)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(status.message().contains("a message has at most 16384 inputs"), "{status}");
}
