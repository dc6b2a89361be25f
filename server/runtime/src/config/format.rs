//! The two written forms of a configuration: protobuf's text format and its JSON mapping.
//!
//! A field that Triton's message lacks is an error in both, so a misspelt one is never silently ignored.

use std::sync::OnceLock;

use girandole_core::{Error, Result};
use girandole_proto::config::{DESCRIPTOR, ModelConfig};
use miette::Diagnostic;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions, text_format};

use super::brackets::with_colons;

const MESSAGE: &str = "inference.ModelConfig";

/// Reads the text form, as `config.pbtxt` has it.
///
/// # Errors
/// `InvalidArgument` with the line, and the field or value that is wrong.
pub fn parse_text(text: &str) -> Result<ModelConfig> {
    let text = with_colons(text);
    let message =
        DynamicMessage::parse_text_format(descriptor()?, &text).map_err(|e| text_error(&e, &text))?;
    typed(&message)
}

/// Reads the JSON form, with the field names of the text form or in camel case.
///
/// # Errors
/// `InvalidArgument` with line and column, and the field or value that is wrong.
pub fn parse_json(json: &str) -> Result<ModelConfig> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let message = DynamicMessage::deserialize(descriptor()?, &mut deserializer)
        .and_then(|message| deserializer.end().map(|()| message))
        .map_err(|e| Error::invalid(format!("the model configuration's JSON: {e}")))?;
    typed(&message)
}

/// The JSON form as Triton prints it: the text form's field names, defaults included, integers as numbers.
///
/// # Errors
/// `Internal` where the message does not fit its own description.
pub fn to_json(config: &ModelConfig) -> Result<String> {
    let mut message = DynamicMessage::new(descriptor()?);
    message.transcode_from(config).map_err(|e| Error::internal(e.to_string()))?;
    let options = SerializeOptions::new()
        .use_proto_field_name(true)
        .stringify_64_bit_integers(false)
        .skip_default_fields(false);
    let mut json = Vec::new();
    message
        .serialize_with_options(&mut serde_json::Serializer::new(&mut json), &options)
        .map_err(|e| Error::internal(e.to_string()))?;
    String::from_utf8(json).map_err(|e| Error::internal(e.to_string()))
}

fn descriptor() -> Result<MessageDescriptor> {
    static MESSAGE_DESCRIPTOR: OnceLock<Option<MessageDescriptor>> = OnceLock::new();
    let found = MESSAGE_DESCRIPTOR
        .get_or_init(|| DescriptorPool::decode(DESCRIPTOR).ok()?.get_message_by_name(MESSAGE));
    found.clone().ok_or_else(|| Error::internal("the model configuration's description is broken"))
}

fn typed(message: &DynamicMessage) -> Result<ModelConfig> {
    message.transcode_to().map_err(|e| Error::internal(e.to_string()))
}

fn text_error(error: &text_format::ParseError, text: &str) -> Error {
    let offset =
        error.labels().and_then(|mut labels| labels.next()).map_or(text.len(), |label| label.offset());
    let before = text.as_bytes().get(..offset).unwrap_or_default();
    let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
    Error::invalid(format!("config.pbtxt line {line}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_field_is_named_with_its_line() {
        let error = parse_text("name: \"m\"\nmax_batch_sise: 8\n").unwrap_err();
        assert!(error.message().contains("line 2"), "{error}");
        assert!(error.message().contains("'max_batch_sise'"), "{error}");
    }

    #[test]
    fn an_unknown_json_field_is_named() {
        let error = parse_json(r#"{"max_batch_sise": 8}"#).unwrap_err();
        assert!(error.message().contains("max_batch_sise"), "{error}");
        assert!(parse_json("{} x").is_err());
    }

    #[test]
    fn an_explicit_zero_differs_from_nothing() {
        assert_eq!(parse_text("max_batch_size: 0").unwrap().max_batch_size, Some(0));
        assert_eq!(parse_text("").unwrap().max_batch_size, None);
        assert_eq!(parse_json(r#"{"max_batch_size": 0}"#).unwrap().max_batch_size, Some(0));
    }

    #[test]
    fn both_forms_say_the_same() {
        let text = r#"
            platform: "onnxruntime_onnx"  max_batch_size: 8
            input [ { name: "x" data_type: TYPE_FP32 dims: [ -1, 3 ] } ]
            dynamic_batching { preferred_batch_size: [ 4, 8 ] max_queue_delay_microseconds: 100 }
            parameters { key: "k" value: { string_value: "v" } }"#;
        let config = parse_text(text).unwrap();
        let json = to_json(&config).unwrap();
        assert_eq!(parse_json(&json).unwrap(), config);
        for part in [
            r#""dims":[-1,3]"#,
            r#""max_queue_delay_microseconds":100"#,
            r#""output":[]"#,
            r#""data_type":"TYPE_FP32""#,
        ] {
            assert!(json.contains(part), "{json} lacks {part}");
        }
    }
}
