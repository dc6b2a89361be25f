//! Models in safetensors that are refused, with what was expected and what came.

use std::fs;

use girandole_core::ErrorCode;

use super::{Copy, answers::header};

#[track_caller]
fn refused(copy: &Copy, parts: &[&str]) {
    let error = copy.load().err().expect("the model loads");
    assert_eq!(error.code(), ErrorCode::InvalidArgument, "{error}");
    for part in parts {
        assert!(error.message().contains(part), "'{part}' is not in: {error}");
    }
}

/// A copy in whose configuration one text stands for another.
#[track_caller]
fn with(name: &str, from: &str, to: &str) -> Copy {
    let copy = Copy::of(name);
    copy.replace("config.json", from, to);
    copy
}

/// A copy in whose header one text stands for another of the same length.
#[track_caller]
fn renamed(name: &str, from: &str, to: &str) -> Copy {
    let copy = Copy::of(name);
    let mut bytes = copy.read("model.safetensors");
    let (end, text) = header(&bytes);
    assert!(text.contains(from) && from.len() == to.len(), "'{from}' is not in {text}");
    bytes[8..end].copy_from_slice(text.replacen(from, to, 1).as_bytes());
    copy.write("model.safetensors", bytes);
    copy
}

#[test]
fn a_configuration_that_is_missing_or_broken_is_named() {
    let copy = Copy::of("bert");
    fs::remove_file(copy.path("config.json")).unwrap();
    refused(&copy, &["'config.json' is missing", "save_pretrained"]);
    copy.write("config.json", "{");
    refused(&copy, &["config.json: EOF"]);
    copy.write("config.json", "{}");
    refused(&copy, &["config.json: missing field `model_type`"]);
    copy.write("config.json", [0xff]);
    refused(&copy, &["'config.json' is no UTF-8 text"]);
    refused(
        &with("bert", r#""hidden_size": 16"#, r#""hidden_size": "16""#),
        &["config.json", "invalid type"],
    );
}

#[test]
fn what_is_not_served_is_said_with_what_is() {
    refused(&with("bert", r#""model_type": "bert""#, r#""model_type": "t5""#), &["'t5'", "bert, distilbert"]);
    refused(
        &with("bert", "BertModel", "BertForMaskedLM"),
        &["'BertForMaskedLM'", "BertForSequenceClassification"],
    );
    refused(&with("bert", r#""is_decoder": false"#, r#""is_decoder": true"#), &["is_decoder must be false"]);
    let relative = r#""position_embedding_type": "relative_key", "vocab_size""#;
    refused(&with("bert", r#""vocab_size""#, relative), &["position_embedding_type must be absolute"]);
    refused(&with("bert", r#""gelu""#, r#""gelux""#), &["unknown variant `gelux`", "`gelu`"]);
    refused(&with("bert", r#""num_attention_heads": 4"#, r#""num_attention_heads": 5"#), &["5 heads", "16"]);
    refused(&with("bert", r#""num_attention_heads": 4"#, r#""num_attention_heads": 0"#), &["0 heads"]);
}

#[test]
fn tensors_that_do_not_fit_the_configuration_are_named() {
    refused(
        &with("bert", r#""num_hidden_layers": 2"#, r#""num_hidden_layers": 3"#),
        &["'encoder.layer.2.attention.self.query.weight'", "[16,16] is missing", "BertModel"],
    );
    refused(
        &with("bert", r#""num_hidden_layers": 2"#, r#""num_hidden_layers": 1"#),
        &["not part of BertModel", "left over: 16", "'encoder.layer.1.attention.output.LayerNorm.bias'"],
    );
    refused(
        &with("bert", r#""vocab_size": 32"#, r#""vocab_size": 33"#),
        &["'embeddings.word_embeddings.weight' has shape [32,16], expected [33,16]"],
    );
    refused(
        &renamed("bert", "encoder.layer.0.output.dense.bias", "encoder.layer.0.output.dense.bxxx"),
        &["left over: 1)", "'encoder.layer.0.output.dense.bxxx'"],
    );
    refused(
        &with("bert_tokens", r#""4": "LABEL_4""#, r#""4": "LABEL_4", "5": "LABEL_5""#),
        &["names 6 labels", "'classifier.weight' has 5"],
    );
    refused(
        &renamed("bert", r#""F32""#, r#""I32""#),
        &["tensor '", "its elements are I32", "F32, F16 and BF16"],
    );
}

#[test]
fn modules_that_are_not_known_are_named() {
    let dense = r#"[{"path":"","type":"x.Transformer"},{"path":"1_Pooling","type":"x.Pooling"},{"path":"2_Dense","type":"x.Dense"}]"#;
    let copy = Copy::of("bert_sentence_mean");
    copy.write("modules.json", dense);
    refused(&copy, &["modules.json", "Dense in '2_Dense'"]);
    let copy = Copy::of("bert_sentence_mean");
    copy.replace(
        "1_Pooling/config.json",
        r#""pooling_mode_cls_token": false"#,
        r#""pooling_mode_cls_token": true"#,
    );
    refused(&copy, &["1_Pooling/config.json", "exactly one pooling mode"]);
    fs::remove_file(copy.path("1_Pooling/config.json")).unwrap();
    refused(&copy, &["'1_Pooling/config.json' is missing"]);
    copy.replace("modules.json", "\"1_Pooling\"", "\"../secret\"");
    fs::create_dir(copy.path("../secret")).unwrap();
    copy.write("../secret/config.json", r#"{"pooling_mode": "mean"}"#);
    refused(&copy, &["'../secret/config.json'", "outside of the version's folder"]);
}

#[test]
fn our_own_configurations_are_strict() {
    refused(&with("mlp", r#""layers""#, r#""layer""#), &["unknown field `layer`", "`layers`"]);
    refused(&with("mlp", r#""linear": "6""#, r#""linear": "7""#), &["'7.weight' is missing"]);
    refused(
        &with("mlp", r#""linear": "6""#, r#""linear": "3""#),
        &["'3.weight' has shape [7,8], expected [7,7]"],
    );
    refused(&with("mlp", r#""relu""#, r#""step""#), &["unknown variant `step`"]);
    refused(&with("lstm_last", r#""cells""#, r#""lstm""#), &["'lstm.weight_ih_l0' is missing"]);
    refused(
        &with("lstm_last", r#""num_layers": 2"#, r#""num_layers": 0"#),
        &["num_layers must be 1 or more"],
    );
    refused(&with("lstm_last", r#""num_layers": 2"#, r#""num_layers": 1"#), &["left over: 4)"]);
    refused(
        &with("lstm_last", "girandole-lstm", "girandole-gru"),
        &["'cells.weight_hh_l0' has shape [24,6], expected [24,8]"],
    );
    refused(&with("mlp", r#""linear": "0""#, r#""linear": """#), &["'weight' is missing"]);
}

#[test]
fn wherever_a_file_ends_early_it_is_refused() {
    let copy = Copy::of("gru");
    let whole = copy.read("model.safetensors");
    for len in (0..whole.len()).step_by(7) {
        copy.write("model.safetensors", &whole[..len]);
        refused(&copy, &["model.safetensors: the file is"]);
    }
    copy.write("model.safetensors", [&whole[..], &[0]].concat());
    refused(&copy, &["is more than its tensors"]);
}

#[test]
fn a_file_of_the_index_that_is_missing_is_named() {
    let copy = Copy::of("bert_sequence_sharded");
    fs::remove_file(copy.path("model-00002-of-00004.safetensors")).unwrap();
    let error = copy.load().err().expect("the model loads");
    assert!(error.message().contains("'model-00002-of-00004.safetensors' cannot be read"), "{error}");
}
