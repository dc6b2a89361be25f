//! What is asked: one request, in the form of each protocol.

use std::{fs, path::Path, time::Duration};

use bytes::Bytes;
use girandole_proto::oip::{ModelInferRequest, model_infer_request::InferInputTensor};
use serde_json::{Value, json};

use crate::Result;

/// One request to a model.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    pub(crate) model: String,
    inputs: Vec<Input>,
    /// How long it may wait in the queue, where its model lets it say so (REST; gRPC has deadlines).
    patience: Option<Duration>,
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
        Self { model: "identity".into(), inputs: vec![input("x", "FP32", &[1, 16], values)], patience: None }
    }

    /// A sentence of some tokens.
    pub(crate) fn sentence(model: &str, tokens: u16) -> Self {
        let ids: Vec<Value> = (0..tokens).map(|i| json!(1000 + 37 * u32::from(i))).collect();
        let same = |number: i32| vec![json!(number); tokens.into()];
        let inputs = [("input_ids", ids), ("attention_mask", same(1)), ("token_type_ids", same(0))];
        let shape = [1, i64::from(tokens)];
        let inputs = inputs.into_iter().map(|(name, values)| input(name, "INT64", &shape, values));
        Self { model: model.into(), inputs: inputs.collect(), patience: None }
    }

    /// The first row of a file such as `model-repo/churn/example.json`.
    pub(crate) fn first_row(model: &str, example: &Path) -> Result<Self> {
        let example: Value = serde_json::from_slice(&fs::read(example)?)?;
        let inputs = example["inputs"].as_array().ok_or("an example without inputs")?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let row = |given: &Value| {
            input(&text(&given["name"]), &text(&given["datatype"]), &[1, 1], vec![given["data"][0].clone()])
        };
        Ok(Self { model: model.into(), inputs: inputs.iter().map(row).collect(), patience: None })
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
        Ok(Self { model: model.into(), inputs, patience: None })
    }

    /// The same, waiting in the queue for so long at most.
    pub(crate) fn waiting(self, patience: Duration) -> Self {
        Self { patience: Some(patience), ..self }
    }

    /// Requests of the same kind that differ in their numbers: each real number is scaled, or where there is none the
    /// first input turned, so that every answer can be told from the others.
    pub(crate) fn variants(&self, count: usize) -> Vec<Self> {
        (0..count).map(|which| self.variant(which, count)).collect()
    }

    fn variant(&self, which: usize, count: usize) -> Self {
        let mut this = self.clone();
        let factor = 1.0 - which as f64 / (2 * count) as f64;
        let mut scaled = false;
        for input in this.inputs.iter_mut().filter(|input| input.datatype == "FP32") {
            for value in &mut input.values {
                *value = json!(value.as_f64().unwrap_or_default() * factor);
            }
            scaled = true;
        }
        if let (false, Some(first)) = (scaled, this.inputs.first_mut()) {
            let length = first.values.len().max(1);
            first.values.rotate_left(which % length);
        }
        this
    }

    /// What a request says besides its tensors.
    fn parameters(&self) -> serde_json::Map<String, Value> {
        let timeout =
            self.patience.map(|patience| ("timeout".to_owned(), json!(patience.as_micros() as u64)));
        timeout.into_iter().collect()
    }

    pub(crate) fn json(&self) -> Vec<u8> {
        let input = |input: &Input| json!({"name": input.name, "datatype": input.datatype, "shape": input.shape, "data": input.values});
        let inputs: Vec<_> = self.inputs.iter().map(input).collect();
        json!({"parameters": self.parameters(), "inputs": inputs}).to_string().into_bytes()
    }

    /// A body with binary tensor data, and the length of the JSON before it.
    pub(crate) fn binary(&self) -> (Vec<u8>, usize) {
        let input = |input: &Input| {
            json!({"name": input.name, "datatype": input.datatype, "shape": input.shape,
            "parameters": {"binary_data_size": input.bytes().len()}})
        };
        let inputs: Vec<_> = self.inputs.iter().map(input).collect();
        let mut parameters = self.parameters();
        parameters.insert("binary_data_output".into(), json!(true));
        let mut body = json!({"parameters": parameters, "inputs": inputs}).to_string().into_bytes();
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
    fn variants_differ() {
        for workload in [Workload::identity(), Workload::sentence("encoder", 8)] {
            let bodies: std::collections::BTreeSet<_> =
                workload.variants(8).iter().map(Workload::json).collect();
            assert_eq!(bodies.len(), 8);
        }
    }

    #[test]
    fn strings_travel_after_their_lengths() {
        let word = input("x", "BYTES", &[1, 1], vec![json!("Yes")]);
        assert_eq!(word.bytes(), [3, 0, 0, 0, b'Y', b'e', b's']);
    }
}
