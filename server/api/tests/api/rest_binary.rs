//! REST: the binary tensor data extension, for every element type.

use bytes::Bytes;
use girandole_core::{DType, bytes_tensor};
use http::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Server, floats};

const LENGTH: &str = "inference-header-content-length";

async fn send(server: &Server, model: &str, json: &Value, tensors: &[u8]) -> Answer {
    let header = json.to_string();
    let body = [header.as_bytes(), tensors].concat();
    let length = header.len().to_string();
    let path = format!("/v2/models/{model}/infer");
    server.send(Method::POST, &path, &[(LENGTH, &length)], body.into()).await
}

/// The JSON part of an answer, and the bytes after it.
fn split(answer: &Answer) -> (Value, &[u8]) {
    let length: usize = answer.header(LENGTH).parse().expect("a length");
    let (header, rest) = answer.body.split_at(length);
    (serde_json::from_slice(header).unwrap(), rest)
}

/// Two elements of each type, in the wire's form.
fn elements(dtype: DType) -> Vec<u8> {
    match dtype.size() {
        _ if dtype == DType::Bool => vec![1, 0],
        Some(size) => (0..2 * size).map(|i| u8::try_from(i).unwrap()).collect(),
        None => bytes_tensor::encode([&b"\xff\x00"[..], b""]).to_vec(),
    }
}

#[tokio::test]
async fn every_type_comes_back_bit_by_bit() {
    let server = Server::start().await;
    let input = |dtype: DType| {
        let size = elements(dtype).len();
        json!({ "name": dtype.name(), "datatype": dtype.name(), "shape": [1, 2],
            "parameters": { "binary_data_size": size } })
    };
    let inputs: Vec<_> = DType::ALL.into_iter().map(input).collect();
    let tensors: Vec<u8> = DType::ALL.into_iter().flat_map(elements).collect();
    let request = json!({ "inputs": inputs, "parameters": { "binary_data_output": true } });
    let answer = send(&server, "every", &request, &tensors).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    let (header, rest) = split(&answer);
    assert_eq!(rest, tensors);
    for (output, dtype) in header["outputs"].as_array().unwrap().iter().zip(DType::ALL) {
        assert_eq!(output["datatype"], dtype.name());
        assert_eq!(output["parameters"]["binary_data_size"], elements(dtype).len());
        assert!(output.get("data").is_none());
    }
}

#[tokio::test]
async fn json_and_binary_mix_in_one_request() {
    let server = Server::start().await;
    let data = |dtype: DType| match dtype {
        DType::Bool => json!([true, false]),
        DType::Bytes => json!(["a", "é"]),
        _ => json!([1, 2]),
    };
    let mut inputs: Vec<_> = DType::ALL
        .into_iter()
        .map(|dtype| json!({ "name": dtype.name(), "datatype": dtype.name(), "shape": [1, 2], "data": data(dtype) }))
        .collect();
    inputs[1] = json!({ "name": "UINT8", "datatype": "UINT8", "shape": [1, 2], "parameters": { "binary_data_size": 2 } });
    let request = json!({ "inputs": inputs, "outputs": [
        { "name": "UINT8" }, { "name": "FP32", "parameters": { "binary_data": true } }, { "name": "BYTES" }
    ] });
    let answer = send(&server, "every", &request, &[8, 9]).await;
    let (header, rest) = split(&answer);
    assert_eq!(header["outputs"][0]["data"], json!([8, 9]));
    assert_eq!(header["outputs"][2]["data"], json!(["a", "é"]));
    assert_eq!(rest, floats(&[1.0, 2.0]));
}

#[tokio::test]
async fn a_whole_body_can_be_one_tensor() {
    let server = Server::start().await;
    let raw = |model: &'static str, body: Bytes| {
        let server = &server;
        async move {
            let path = format!("/v2/models/{model}/infer");
            server.send(Method::POST, &path, &[(LENGTH, "0")], body).await
        }
    };
    let answer = raw("identity", floats(&[1.0, 2.0, 3.0])).await;
    let (header, rest) = split(&answer);
    assert_eq!(header["outputs"][0]["shape"], json!([1, 3]));
    assert_eq!(rest, floats(&[1.0, 2.0, 3.0]));
    let answer = raw("text", Bytes::from_static(b"hello")).await;
    assert_eq!(split(&answer).1, bytes_tensor::encode([&b"hello"[..]]));
    let answer = raw("every", Bytes::from_static(b"1")).await;
    assert_eq!(answer.status, 400);
    assert!(answer.error().contains("needs a model of one input, this one has 14"), "{}", answer.error());
}
