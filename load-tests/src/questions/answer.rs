//! The real numbers of an answer, in each protocol.

use bytes::Buf;
use girandole_proto::oip::ModelInferResponse;
use prost::Message;
use serde_json::Value;

/// Those of a whole HTTP response, JSON with binary data or without.
pub(crate) fn of_rest(response: &[u8]) -> Option<Vec<f32>> {
    let end = response.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let (head, body) = response.split_at(end);
    let length = std::str::from_utf8(head).ok()?.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("inference-header-content-length").then(|| value.trim().parse().ok())?
    });
    let (json, mut binary) = body.split_at_checked(length.unwrap_or(body.len()))?;
    let json: Value = serde_json::from_slice(json).ok()?;
    let mut numbers = Vec::new();
    for output in json["outputs"].as_array()? {
        let size = output["parameters"]["binary_data_size"].as_u64().unwrap_or(0);
        let raw = binary.split_off(..usize::try_from(size).ok()?)?;
        if output["datatype"] == "FP32" {
            let written = output["data"].as_array().into_iter().flatten().filter_map(Value::as_f64);
            numbers.extend(written.map(|number| number as f32).chain(floats(raw)));
        }
    }
    Some(numbers)
}

/// Those of a message.
pub(super) fn of_grpc(message: &[u8]) -> Option<Vec<f32>> {
    let response = ModelInferResponse::decode(message).ok()?;
    let outputs = response.outputs.iter().zip(&response.raw_output_contents);
    Some(outputs.filter(|(output, _)| output.datatype == "FP32").flat_map(|(_, raw)| floats(raw)).collect())
}

fn floats(mut raw: &[u8]) -> impl Iterator<Item = f32> {
    std::iter::from_fn(move || raw.try_get_f32_le().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_text_and_behind_it() {
        let json = br#"{"outputs":[{"datatype":"BYTES","data":["Yes"]},{"datatype":"FP32","data":[0.5,2]}]}"#;
        let response = [b"HTTP/1.1 200 OK\r\n\r\n", &json[..]].concat();
        assert_eq!(of_rest(&response), Some(vec![0.5, 2.0]));
        let json = r#"{"outputs":[{"datatype":"BYTES","parameters":{"binary_data_size":4}},{"datatype":"FP32","parameters":{"binary_data_size":4}}]}"#;
        let head = format!("HTTP/1.1 200 OK\r\nInference-Header-Content-Length: {}\r\n\r\n", json.len());
        let response = [head.as_bytes(), json.as_bytes(), b"\0\0\0\0", &2.5_f32.to_le_bytes()].concat();
        assert_eq!(of_rest(&response), Some(vec![2.5]));
    }
}
