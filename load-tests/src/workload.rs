//! What is asked: one request, in the form of each protocol.

use std::{fs, path::Path};

use bytes::Bytes;
use girandole_proto::oip::{ModelInferRequest, model_infer_request::InferInputTensor};
use serde_json::{Value, json};

use crate::Result;

/// One request to a model.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    pub(crate) model: String,
    inputs: Vec<Input>,
}

#[derive(Clone, Debug)]
struct Input {
    name: String,
    datatype: String,
    shape: Vec<i64>,
    values: Vec<Value>,
}

impl Workload {
    /// Sixteen numbers.
    pub(crate) fn identity() -> Self {
        let values = (0..16).map(|i| json!(f64::from(i) + 0.5)).collect();
        Self { model: "identity".into(), inputs: vec![input("x", "FP32", &[1, 16], values)] }
    }

    /// A sentence of some tokens.
    pub(crate) fn sentence(model: &str, tokens: u16) -> Self {
        let ids: Vec<Value> = (0..tokens).map(|i| json!(1000 + 37 * u32::from(i))).collect();
        let same = |number: i32| vec![json!(number); tokens.into()];
        let inputs = [("input_ids", ids), ("attention_mask", same(1)), ("token_type_ids", same(0))];
        let shape = [1, i64::from(tokens)];
        let inputs = inputs.into_iter().map(|(name, values)| input(name, "INT64", &shape, values));
        Self { model: model.into(), inputs: inputs.collect() }
    }

    /// The first row of a file such as `model-repo/churn/example.json`.
    pub(crate) fn first_row(model: &str, example: &Path) -> Result<Self> {
        let example: Value = serde_json::from_slice(&fs::read(example)?)?;
        let inputs = example["inputs"].as_array().ok_or("an example without inputs")?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let row = |given: &Value| {
            input(&text(&given["name"]), &text(&given["datatype"]), &[1, 1], vec![given["data"][0].clone()])
        };
        Ok(Self { model: model.into(), inputs: inputs.iter().map(row).collect() })
    }

    /// A whole file of that kind.
    pub(crate) fn example(model: &str, example: &Path) -> Result<Self> {
        let example: Value = serde_json::from_slice(&fs::read(example)?)?;
        let inputs = example["inputs"].as_array().ok_or("an example without inputs")?;
        let whole = |given: &Value| -> Option<Input> {
            let shape: Option<Vec<i64>> = given["shape"].as_array()?.iter().map(Value::as_i64).collect();
            let text = |key: &str| given[key].as_str();
            Some(input(text("name")?, text("datatype")?, &shape?, given["data"].as_array()?.clone()))
        };
        let inputs = inputs.iter().map(whole).collect::<Option<_>>().ok_or("an input that is not whole")?;
        Ok(Self { model: model.into(), inputs })
    }

    pub(crate) fn json(&self) -> Vec<u8> {
        let input = |input: &Input| json!({"name": input.name, "datatype": input.datatype, "shape": input.shape, "data": input.values});
        json!({"inputs": self.inputs.iter().map(input).collect::<Vec<_>>()}).to_string().into_bytes()
    }

    /// A body with binary tensor data, and the length of the JSON before it.
    pub(crate) fn binary(&self) -> (Vec<u8>, usize) {
        let input = |input: &Input| {
            json!({"name": input.name, "datatype": input.datatype, "shape": input.shape,
            "parameters": {"binary_data_size": input.bytes().len()}})
        };
        let inputs: Vec<_> = self.inputs.iter().map(input).collect();
        let mut body =
            json!({"parameters": {"binary_data_output": true}, "inputs": inputs}).to_string().into_bytes();
        let head = body.len();
        self.inputs.iter().for_each(|input| body.extend(input.bytes()));
        (body, head)
    }

    pub(crate) fn grpc(&self) -> ModelInferRequest {
        let tensor = |input: &Input| InferInputTensor {
            name: input.name.clone(),
            datatype: input.datatype.clone(),
            shape: input.shape.clone(),
            ..InferInputTensor::default()
        };
        ModelInferRequest {
            model_name: self.model.clone(),
            inputs: self.inputs.iter().map(tensor).collect(),
            raw_input_contents: self.inputs.iter().map(|input| Bytes::from(input.bytes())).collect(),
            ..ModelInferRequest::default()
        }
    }
}

impl Input {
    /// The values as they travel in binary: little-endian, strings after their lengths.
    fn bytes(&self) -> Vec<u8> {
        let bytes = |value: &Value| match self.datatype.as_str() {
            "FP32" => (value.as_f64().unwrap_or_default() as f32).to_le_bytes().to_vec(),
            "INT64" => value.as_i64().unwrap_or_default().to_le_bytes().to_vec(),
            _ => {
                let text = value.as_str().unwrap_or_default().as_bytes();
                [&u32::try_from(text.len()).unwrap_or(0).to_le_bytes(), text].concat()
            }
        };
        self.values.iter().flat_map(bytes).collect()
    }
}

fn input(name: &str, datatype: &str, shape: &[i64], values: Vec<Value>) -> Input {
    Input { name: name.into(), datatype: datatype.into(), shape: shape.to_vec(), values }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_form_is_the_head_and_then_the_tensors() {
        let (body, head) = Workload::identity().binary();
        assert_eq!(body.len(), head + 16 * 4);
        assert_eq!(body[head..head + 4], 0.5_f32.to_le_bytes());
    }

    #[test]
    fn strings_travel_after_their_lengths() {
        let word = input("x", "BYTES", &[1, 1], vec![json!("Yes")]);
        assert_eq!(word.bytes(), [3, 0, 0, 0, b'Y', b'e', b's']);
    }
}
