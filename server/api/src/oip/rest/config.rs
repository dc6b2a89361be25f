//! A model's configuration as Triton's clients read it: protobuf JSON, every field, integers as numbers.

use std::sync::LazyLock;

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use girandole_core::{Error, Result};
use girandole_proto::config::{DESCRIPTOR, ModelConfig};
use http::{HeaderValue, header};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};

use super::{Answer, path::ModelPath};
use crate::oip::Oip;

static MODEL_CONFIG: LazyLock<Option<MessageDescriptor>> = LazyLock::new(|| {
    let pool = DescriptorPool::decode(DESCRIPTOR).ok()?;
    pool.get_message_by_name("inference.ModelConfig")
});

/// The configuration, with everything inferred filled in.
pub(super) async fn model(State(oip): State<Oip>, path: ModelPath) -> Answer {
    let config = oip.service.model_config(&path.name, &path.version)?;
    Ok(json(&config)?)
}

fn json(config: &ModelConfig) -> Result<Response> {
    let body = text(config).ok_or_else(|| Error::internal("the configuration could not be written"))?;
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    Ok((headers, Body::from(body)).into_response())
}

fn text(config: &ModelConfig) -> Option<Vec<u8>> {
    let message = DynamicMessage::decode(MODEL_CONFIG.clone()?, config.encode_to_vec().as_slice()).ok()?;
    let options = SerializeOptions::new()
        .stringify_64_bit_integers(false)
        .use_proto_field_name(true)
        .skip_default_fields(false);
    let mut out = Vec::new();
    message.serialize_with_options(&mut serde_json::Serializer::new(&mut out), &options).ok()?;
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_protos_and_integers_are_numbers() {
        let config = ModelConfig { name: "m".into(), max_batch_size: Some(8), ..ModelConfig::default() };
        let json: serde_json::Value = serde_json::from_slice(&text(&config).unwrap()).unwrap();
        assert_eq!(json["max_batch_size"], 8);
        assert_eq!(json["input"], serde_json::json!([]));
    }
}
