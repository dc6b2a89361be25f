//! What clients get wrong: each gets its status and a message that tells what to change, over REST and gRPC.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream::FuturesUnordered};
use girandole_api::Limits;
use girandole_proto::oip::{ModelInferRequest, model_infer_request::InferInputTensor};
use http::Method;
use tonic::Code;

use crate::harness::{Server, floats};

const INFER: &str = "/v2/models/identity/infer";

fn input(fields: &str) -> String {
    format!(r#"{{"inputs":[{{"name":"x",{fields}}}]}}"#)
}

#[tokio::test]
async fn requests_that_do_not_fit_the_model() {
    let server = Server::start().await;
    let good = r#""datatype":"FP32","shape":[1,1],"data":[1]"#;
    let table = [
        (
            r#"{"inputs":[{"name":"z","datatype":"FP32","shape":[1,1],"data":[1]}]}"#.to_owned(),
            "unexpected input 'z', the inputs are 'x'",
        ),
        (r#"{"inputs":[]}"#.to_owned(), "input 'x' is missing, expected FP32[-1,-1]"),
        (input(r#""datatype":"INT32","shape":[1,1],"data":[1]"#), "input 'x' must be FP32[-1,-1]"),
        (
            input(r#""datatype":"FP32","shape":[1],"data":[1]"#),
            "(the first dimension is the batch), got FP32[1]",
        ),
        (input(r#""datatype":"FP32","shape":[0,1],"data":[]"#), "a batch must have at least 1 row, got 0"),
        (
            input(r#""datatype":"FP32","shape":[4611686018427387904,4],"data":[1]"#),
            "more elements than can be addressed",
        ),
        (input(r#""datatype":"FP32","shape":[-1,1],"data":[1]"#), "must have sizes of 0 or more"),
        (input(r#""datatype":"FP8","shape":[1,1],"data":[1]"#), "unknown datatype 'FP8'"),
        (input(r#""datatype":"FP32","shape":[1,2],"data":[1]"#), "must have the shape's 2 elements, got 1"),
        (
            format!(r#"{{"inputs":[{{"name":"x",{good}}},{{"name":"x",{good}}}]}}"#),
            "input 'x' is given twice",
        ),
        (
            format!(r#"{{"inputs":[{{"name":"x",{good}}}],"outputs":[{{"name":"y"}},{{"name":"y"}}]}}"#),
            "output 'y' is requested twice",
        ),
        (
            format!(r#"{{"inputs":[{{"name":"x",{good}}}],"outputs":[{{"name":"q"}}]}}"#),
            "unknown output 'q', the outputs are 'y'",
        ),
        (input(r#""name":"x""#), "'name' is given twice"),
        (
            format!(r#"{{"inputs":[{{"name":"x",{good}}}],"parameters":{{"priority":-1}}}}"#),
            "'priority' must be an integer",
        ),
        (
            input(&format!(
                r#""datatype":"FP32","shape":[1,1],"data":{}1{}"#,
                "[".repeat(5000),
                "]".repeat(5000)
            )),
            "recursion limit exceeded",
        ),
        ("{".to_owned(), "the request is not valid JSON"),
    ];
    for (body, message) in table {
        let answer = server.post(INFER, body.clone()).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.error().contains(message), "{body}: {}", answer.error());
    }
    let answer = server.post(INFER, &b"{\"id\":\"\xff\",\"inputs\":[]}"[..]).await;
    assert_eq!(answer.status, 400);
    assert!(answer.error().contains("invalid unicode"), "{}", answer.error());
    assert_eq!(server.post(INFER, input(good)).await.status, 200, "others are untouched");
}

#[tokio::test]
async fn what_is_too_large() {
    let limits = Limits { max_body_bytes: 256, max_tensors: 2, max_elements: 20, ..Limits::default() };
    let server = Server::with(limits).await;
    let rows = input(&format!(r#""datatype":"FP32","shape":[9,1],"data":{:?}"#, [1; 9]));
    let outputs = r#"{"inputs":[],"outputs":[{"name":"a"},{"name":"b"},{"name":"c"}]}"#.to_owned();
    let elements = input(&format!(r#""datatype":"FP32","shape":[21],"data":{:?}"#, [1; 21]));
    let table = [
        (elements, "input 'x' has 21 elements, the limit is 20"),
        (" ".repeat(257), "the body is larger than the limit of 256 bytes"),
        (rows, "a batch of 9 rows exceeds the model's max_batch_size of 8"),
        (outputs, "a request has at most 2 outputs, got 3"),
    ];
    for (body, message) in table {
        let answer = server.post(INFER, body).await;
        assert_eq!((answer.status.as_u16(), answer.error()), (413, message.to_owned()));
    }
}

#[tokio::test]
async fn binary_bodies_that_do_not_add_up() {
    let server = Server::start().await;
    let json =
        r#"{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}}]}"#;
    let length = json.len().to_string();
    let table = [
        (length.as_str(), 7, "input 'x' has binary_data_size 8, but only 7 bytes"),
        (&length, 9, "1 bytes of binary data belong to no input"),
        ("99999", 8, "says 99999 bytes of JSON, the body has"),
        ("-1", 8, "must be a number of bytes"),
        ("18446744073709551616", 8, "must be a number of bytes"),
        ("1", 8, "the request is not valid JSON"),
    ];
    for (length, bytes, message) in table {
        let body = [json.as_bytes(), &vec![0; bytes]].concat();
        let headers = [("inference-header-content-length", length)];
        let answer = server.send(Method::POST, INFER, &headers, body.into()).await;
        assert_eq!(answer.status, 400, "{length} {bytes}");
        assert!(answer.error().contains(message), "{length} {bytes}: {}", answer.error());
    }
    let short = json.replace('8', "4");
    let headers = [("inference-header-content-length", length.as_str())];
    let body = [short.as_bytes(), &[0; 4]].concat();
    let answer = server.send(Method::POST, INFER, &headers, body.into()).await;
    assert_eq!(answer.error(), "input 'x': FP32 data of shape [1,2] takes 8 bytes, got 4");
}

#[tokio::test]
async fn models_and_versions_that_are_not_there() {
    let server = Server::start().await;
    let body = input(r#""datatype":"FP32","shape":[1,1],"data":[1]"#);
    let table = [
        ("/v2/models/nobody/infer", 404, "'nobody'"),
        ("/v2/models/identity/versions/9/infer", 404, "9"),
        ("/v2/models/broken/infer", 503, "Frobnicate"),
        ("/v2/models/..%2Fidentity/infer", 400, "a model name has"),
        ("/v2/models/%2e%2e/infer", 400, "a model name has"),
        ("/v2/models/a%00b/infer", 400, "a model name has"),
        ("/v2/models/%ff/infer", 400, "percent-encoded UTF-8"),
        ("/v2/repository/models/..%2F..%2Fetc/load", 400, "a model name has"),
    ];
    for (path, status, message) in table {
        let answer = server.post(path, body.clone()).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert!(answer.error().contains(message), "{path}: {}", answer.error());
        assert_eq!(answer.header("retry-after").is_empty(), status != 503, "{path}");
    }
}

#[tokio::test]
async fn what_is_not_served_says_so() {
    let server = Server::start().await;
    let tensor = r#"{"name":"x","datatype":"FP32","shape":[1,1],"data":[1]}"#;
    let table = [
        (
            format!(r#"{{"inputs":[{tensor}],"parameters":{{"sequence_id":3}}}}"#),
            "sequence batching is not served",
        ),
        (
            input(r#""datatype":"FP32","shape":[1,1],"data":[1],"parameters":{"shared_memory_region":"r"}"#),
            "shared memory, which is not served",
        ),
    ];
    for (body, message) in table {
        let answer = server.post(INFER, body).await;
        assert_eq!(answer.status, 501);
        assert!(answer.error().contains(message), "{}", answer.error());
    }
}

#[tokio::test]
async fn a_full_queue_is_429_and_those_in_it_are_answered() {
    let server = Server::start().await;
    let body = input(r#""datatype":"FP32","shape":[1,1],"data":[1]"#);
    let post = || server.post("/v2/models/gated/infer", body.clone());
    // More than can run, be assembled and wait at once: the first answer, before the gate opens, is a no.
    let mut answers: FuturesUnordered<_> = (0..6).map(|_| post()).collect();
    let first = tokio::time::timeout(Duration::from_secs(10), answers.next()).await;
    let full = first.expect("a refusal comes at once").unwrap();
    assert_eq!(full.status, 429, "{}", full.text());
    assert!(!full.header("retry-after").is_empty());
    server.gate.open();
    let rest: Vec<_> = answers.map(|answer| answer.status.as_u16()).collect().await;
    assert!(rest.contains(&200) && rest.iter().all(|status| matches!(status, 200 | 429)), "{rest:?}");
}

#[tokio::test]
async fn a_timeout_that_passes_in_the_queue_is_504_while_the_session_is_busy() {
    let server = Server::start().await;
    let post = |timeout: u64| {
        let tensor = r#"{"name":"x","datatype":"FP32","shape":[1,1],"data":[1]}"#;
        let body = format!(r#"{{"inputs":[{tensor}],"parameters":{{"timeout":{timeout}}}}}"#);
        server.post("/v2/models/gated/infer", body)
    };
    let waiting = async {
        server.gate.entered().await;
        let late = tokio::time::timeout(Duration::from_secs(10), post(1000)).await;
        server.gate.open();
        late.expect("the answer does not wait for the session")
    };
    let (running, late) = tokio::join!(post(0), waiting);
    assert_eq!(late.status, 504, "{}", late.text());
    assert!(late.error().contains("waited in the queue for longer than its timeout"), "{}", late.error());
    assert_eq!(running.status, 200);
}

fn message(model: &str, shape: &[i64], raw: Bytes) -> ModelInferRequest {
    let input = InferInputTensor {
        name: "x".into(),
        datatype: "FP32".into(),
        shape: shape.to_vec(),
        ..InferInputTensor::default()
    };
    ModelInferRequest {
        model_name: model.into(),
        inputs: vec![input],
        raw_input_contents: vec![raw],
        ..ModelInferRequest::default()
    }
}

#[tokio::test]
async fn the_same_over_grpc() {
    let limits = Limits { max_grpc_message_bytes: 1 << 16, ..Limits::default() };
    let server = Server::with(limits).await;
    let mut client = server.client().await;
    let mut unknown_version = message("identity", &[1, 1], floats(&[1.0]));
    unknown_version.model_version = "9".into();
    let table = [
        (message("nobody", &[1, 1], floats(&[1.0])), Code::NotFound, "'nobody'"),
        (unknown_version, Code::NotFound, "9"),
        (message("broken", &[1, 1], floats(&[1.0])), Code::Unavailable, "Frobnicate"),
        (message("../etc", &[1, 1], floats(&[1.0])), Code::InvalidArgument, "a model name has"),
        (message("identity", &[1], floats(&[1.0])), Code::InvalidArgument, "must be FP32[-1,-1]"),
        (message("identity", &[1, -1], floats(&[1.0])), Code::InvalidArgument, "sizes of 0 or more"),
        (message("identity", &[i64::MAX, 8], floats(&[1.0])), Code::InvalidArgument, "can be addressed"),
        (message("identity", &[1, 2], floats(&[1.0])), Code::InvalidArgument, "takes 8 bytes, got 4"),
        (message("identity", &[9, 1], floats(&[0.0; 9])), Code::ResourceExhausted, "max_batch_size of 8"),
        (message("identity", &[1, 20_000], floats(&[0.0; 20_000])), Code::OutOfRange, "too large"),
    ];
    for (message, code, text) in table {
        let status = client.model_infer(message).await.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(text), "{status}");
    }
    assert!(client.model_infer(message("identity", &[1, 1], floats(&[1.0]))).await.is_ok());
}
