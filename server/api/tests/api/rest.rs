//! REST: health, metadata, inference in JSON, encodings, and what no route serves.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::{
    Compression,
    read::{GzDecoder, ZlibDecoder},
    write::{GzEncoder, ZlibEncoder},
};
use http::Method;
use serde_json::json;

use crate::harness::Server;

const INFER: &str = "/v2/models/identity/infer";
const BODY: &str =
    r#"{"id":"7","inputs":[{"name":"x","datatype":"FP32","shape":[2,2],"data":[[1,2.5],[-3,4]]}]}"#;

#[tokio::test]
async fn health_says_live_ready_and_model_ready() {
    let server = Server::start().await;
    for path in ["/v2/health/live", "/livez"] {
        let answer = server.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({ "live": true })), "{path}");
    }
    let answer = server.get("/v2/models/identity/ready").await;
    assert_eq!(answer.json(), json!({ "name": "identity", "ready": true }));
    assert_eq!(server.get("/v2/models/identity/versions/1/ready").await.status, 200);
    let answer = server.get("/v2/models/broken/ready").await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "1"));
    assert_eq!(server.get("/v2/models/nobody/ready").await.status, 404);
    server.withdraw_readiness();
    for path in ["/v2/health/ready", "/readyz"] {
        assert_eq!(server.get(path).await.status, 503, "{path}");
    }
    assert_eq!(server.get("/livez").await.status, 200);
}

#[tokio::test]
async fn metadata_say_what_the_server_and_a_model_are() {
    let server = Server::start().await;
    for path in ["/v2", "/v2/"] {
        let metadata = server.get(path).await.json();
        assert_eq!(metadata["name"], "girandole");
        assert!(metadata["extensions"].as_array().unwrap().contains(&json!("binary_tensor_data")));
        assert!(!metadata["extensions"].to_string().contains("shared_memory"));
    }
    let metadata = server.get("/v2/models/identity").await.json();
    assert_eq!(metadata["versions"], json!(["1"]));
    let tensor = json!([{ "name": "x", "datatype": "FP32", "shape": [-1, -1] }]);
    assert_eq!(metadata["inputs"], tensor);
    assert_eq!(server.get("/v2/models/identity/versions/1").await.json(), metadata);
}

#[tokio::test]
async fn json_goes_in_and_comes_out() {
    let server = Server::start().await;
    let answer = server.post(INFER, BODY).await;
    let expected = json!({
        "model_name": "identity", "model_version": "1", "id": "7",
        "outputs": [{ "name": "y", "datatype": "FP32", "shape": [2, 2], "data": [1.0, 2.5, -3.0, 4.0] }],
    });
    assert_eq!(answer.json(), expected);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(server.post("/v2/models/identity/versions/1/infer", BODY).await.json(), expected);
}

#[tokio::test]
async fn nan_and_infinity_survive_json() {
    let server = Server::start().await;
    let body = r#"{"inputs":[{"name":"x","datatype":"FP32","shape":[1,3],"data":[NaN,Infinity,-Infinity]}]}"#;
    let answer = server.post(INFER, body).await;
    assert!(answer.text().contains(r#""data":[NaN,Infinity,-Infinity]"#), "{}", answer.text());
}

#[tokio::test]
async fn the_top_classes_come_with_their_labels() {
    let server = Server::start().await;
    let body = r#"{"inputs":[{"name":"x","datatype":"FP32","shape":[1,3],"data":[0.25,0.5,0.125]}],
        "outputs":[{"name":"y","parameters":{"classification":2}}]}"#;
    let output = &server.post("/v2/models/scores/infer", body).await.json()["outputs"][0];
    assert_eq!((&output["datatype"], &output["shape"]), (&json!("BYTES"), &json!([1, 2])));
    assert_eq!(output["data"], json!(["0.500000:1:dog", "0.250000:0:cat"]));
}

#[tokio::test]
async fn requests_may_be_compressed_and_answers_are_where_asked_for() {
    let server = Server::start().await;
    let plain = server.post(INFER, BODY).await;
    for encoding in ["gzip", "deflate"] {
        let packed = pack(encoding, BODY.as_bytes());
        let headers = [("content-encoding", encoding), ("accept-encoding", encoding)];
        let answer = server.send(Method::POST, INFER, &headers, packed).await;
        assert_eq!(answer.header("content-encoding"), encoding);
        assert_eq!(unpack(encoding, &answer.body), plain.body);
    }
    assert_eq!(plain.header("content-encoding"), "");
}

fn pack(encoding: &str, body: &[u8]) -> Bytes {
    let packed = if encoding == "gzip" {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(body).and_then(|()| encoder.finish())
    } else {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(body).and_then(|()| encoder.finish())
    };
    packed.unwrap().into()
}

fn unpack(encoding: &str, body: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    if encoding == "gzip" {
        GzDecoder::new(body).read_to_end(&mut plain).unwrap();
    } else {
        ZlibDecoder::new(body).read_to_end(&mut plain).unwrap();
    }
    plain
}

#[tokio::test]
async fn a_small_body_cannot_unpack_into_a_large_one() {
    let limits = girandole_api::Limits { max_body_bytes: 1 << 16, ..Default::default() };
    let server = Server::with(limits).await;
    let bomb = pack("gzip", &vec![b' '; 1 << 24]);
    assert!(bomb.len() < 1 << 20);
    let headers = [("content-encoding", "gzip")];
    let answer = server.send(Method::POST, INFER, &headers, bomb).await;
    assert_eq!(answer.status, 413, "{}", answer.error());
    let garbage = server.send(Method::POST, INFER, &headers, Bytes::from_static(b"no gzip")).await;
    assert_eq!(garbage.status, 400);
    assert!(garbage.error().contains("not what its Content-Encoding says"));
}

#[tokio::test]
async fn answers_carry_the_requests_identifier() {
    let server = Server::start().await;
    let mine = server.send(Method::GET, "/v2", &[("x-request-id", "abc")], Bytes::new()).await;
    assert_eq!(mine.header("x-request-id"), "abc");
    assert!(!server.get("/v2").await.header("x-request-id").is_empty());
}

#[tokio::test]
async fn what_no_route_serves_is_an_error_in_json() {
    let server = Server::start().await;
    let unknown = server.get("/v2/nothing").await;
    assert_eq!(unknown.status, 404);
    assert!(unknown.error().contains("nothing is served at '/v2/nothing'"));
    let wrong = server.get(INFER).await;
    assert_eq!((wrong.status.as_u16(), wrong.header("allow")), (405, "POST"));
    assert!(wrong.error().starts_with("GET is not served at"));
}

#[tokio::test]
async fn the_openapi_document_is_served() {
    let document = Server::start().await.get("/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
}
