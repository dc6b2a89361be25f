//! gRPC: inference, one by one and in streams, compression and deadlines.

use bytes::Bytes;
use futures::StreamExt;
use girandole_proto::oip::grpc_inference_service_client::GrpcInferenceServiceClient;
use girandole_proto::oip::{
    InferParameter, InferTensorContents, ModelInferRequest, infer_parameter::ParameterChoice,
    model_infer_request::InferInputTensor,
};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tonic::{Code, Request, codec::CompressionEncoding, transport::Channel};

use crate::harness::{Server, floats};

pub(crate) fn request(model: &str, id: &str, values: &[f32]) -> ModelInferRequest {
    let columns = i64::try_from(values.len()).unwrap();
    let input = InferInputTensor {
        name: "x".into(),
        datatype: "FP32".into(),
        shape: vec![1, columns],
        ..InferInputTensor::default()
    };
    ModelInferRequest {
        model_name: model.into(),
        id: id.into(),
        inputs: vec![input],
        raw_input_contents: vec![floats(values)],
        ..ModelInferRequest::default()
    }
}

#[tokio::test]
async fn raw_and_typed_contents_are_answered_raw() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let raw = request("identity", "a", &[1.0, 2.0]);
    let mut typed = raw.clone();
    typed.raw_input_contents.clear();
    typed.inputs[0].contents =
        Some(InferTensorContents { fp32_contents: vec![1.0, 2.0], ..Default::default() });
    for request in [raw, typed] {
        let response = client.model_infer(request).await.unwrap().into_inner();
        assert_eq!((response.model_version.as_str(), response.id.as_str()), ("1", "a"));
        assert_eq!(response.outputs[0].shape, [1, 2]);
        assert_eq!(response.raw_output_contents, [floats(&[1.0, 2.0])]);
    }
}

#[tokio::test]
async fn compressed_requests_get_compressed_answers() {
    let server = Server::start().await;
    for encoding in [CompressionEncoding::Gzip, CompressionEncoding::Deflate] {
        let mut client = server.client().await.send_compressed(encoding).accept_compressed(encoding);
        let response = client.model_infer(request("identity", "", &[1.0; 1000])).await.unwrap();
        assert!(response.metadata().get("grpc-encoding").is_some());
        assert_eq!(response.into_inner().raw_output_contents, [floats(&[1.0; 1000])]);
    }
}

#[tokio::test]
async fn a_stream_answers_in_order_and_goes_on_after_an_error() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let requests = (0..100u8).map(|i| {
        let model = if i == 50 { "nobody" } else { "identity" };
        request(model, &i.to_string(), &[f32::from(i)])
    });
    let stream = client.model_stream_infer(tokio_stream::iter(requests)).await.unwrap().into_inner();
    let answers: Vec<_> = stream.map(Result::unwrap).collect().await;
    assert_eq!(answers.len(), 100);
    for (i, answer) in (0..100u8).zip(answers) {
        let response = answer.infer_response.unwrap();
        assert_eq!(response.id, i.to_string());
        if i == 50 {
            assert!(answer.error_message.contains("'nobody'"), "{}", answer.error_message);
        } else {
            assert_eq!(answer.error_message, "");
            assert_eq!(response.raw_output_contents, [floats(&[f32::from(i)])]);
        }
    }
}

#[tokio::test]
async fn a_stream_ends_with_a_status_where_the_call_asks_for_it() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let requests = [request("identity", "1", &[1.0]), request("nobody", "2", &[1.0])];
    let mut call = Request::new(tokio_stream::iter(requests));
    call.metadata_mut().insert("triton_grpc_error", "true".parse().unwrap());
    let mut stream = client.model_stream_infer(call).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap().unwrap().infer_response.unwrap().id, "1");
    assert_eq!(stream.message().await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_stream_marks_final_responses_where_asked() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let mut asking = request("identity", "1", &[1.0]);
    let yes = InferParameter { parameter_choice: Some(ParameterChoice::BoolParam(true)) };
    asking.parameters.insert("triton_enable_empty_final_response".into(), yes.clone());
    let mut stream = client.model_stream_infer(tokio_stream::iter([asking])).await.unwrap().into_inner();
    let response = stream.message().await.unwrap().unwrap().infer_response.unwrap();
    assert_eq!(response.parameters["triton_final_response"], yes);
}

#[tokio::test]
async fn a_deadline_ends_a_call() {
    let server = Server::start().await;
    // A client that sends the header and keeps no time of its own: the server must.
    let plain = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let origin = format!("http://{}", server.grpc).parse().unwrap();
    let mut client = GrpcInferenceServiceClient::with_origin(plain, origin);
    let mut call = Request::new(request("gated", "", &[1.0]));
    call.metadata_mut().insert("grpc-timeout", "30m".parse().unwrap());
    let status = client.model_infer(call).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
}

/// What a request hears that waits in the queue for a microsecond at most.
async fn probe(client: &GrpcInferenceServiceClient<Channel>) -> Code {
    let mut probe = request("gated", "", &[0.0]);
    let timeout = InferParameter { parameter_choice: Some(ParameterChoice::Int64Param(1)) };
    probe.parameters.insert("timeout".into(), timeout);
    client.clone().model_infer(probe).await.unwrap_err().code()
}

#[tokio::test]
async fn a_client_that_goes_does_not_hold_up_others() {
    let server = Server::start().await;
    let client = server.client().await;
    let send = |value: f32| {
        let mut client = client.clone();
        tokio::spawn(async move {
            loop {
                match client.model_infer(request("gated", "", &[value])).await {
                    Err(status) if status.code() == Code::ResourceExhausted => {}
                    other => break other,
                }
            }
        })
    };
    let running = send(1.0);
    server.gate.entered().await;
    let leaving = send(2.0);
    // The queue holds one: a probe is turned away while that place is taken, and times out in it else.
    while probe(&client).await != Code::ResourceExhausted {}
    leaving.abort();
    assert!(leaving.await.unwrap_err().is_cancelled());
    while probe(&client).await != Code::DeadlineExceeded {}
    let entering = send(3.0);
    server.gate.open();
    assert_eq!(entering.await.unwrap().unwrap().into_inner().raw_output_contents, [floats(&[3.0])]);
    assert!(running.await.unwrap().is_ok());
}

#[tokio::test]
async fn every_bytes_element_is_kept() {
    let server = Server::start().await;
    let input = InferInputTensor {
        name: "x".into(),
        datatype: "BYTES".into(),
        shape: vec![2, 1],
        contents: Some(InferTensorContents {
            bytes_contents: vec![Bytes::from_static(b"\xff"), Bytes::new()],
            ..Default::default()
        }),
        ..InferInputTensor::default()
    };
    let request =
        ModelInferRequest { model_name: "text".into(), inputs: vec![input], ..ModelInferRequest::default() };
    let response = server.client().await.model_infer(request).await.unwrap().into_inner();
    assert_eq!(response.raw_output_contents, [&b"\x01\0\0\0\xff\0\0\0\0"[..]]);
}
