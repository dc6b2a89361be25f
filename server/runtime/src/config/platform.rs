//! Which `platform` and `backend` values people write for ONNX models, so that their repositories are served.

use girandole_proto::config::ModelConfig;

use super::mistakes::Mistakes;

/// What a configuration without one is completed with.
pub(super) const PLATFORM: &str = "onnx_girandole";
/// What a configuration without one is completed with.
pub(super) const BACKEND: &str = "girandole";

const PLATFORMS: [&str; 3] = [PLATFORM, "onnxruntime_onnx", "onnx"];
const BACKENDS: [&str; 3] = [BACKEND, "onnxruntime", "onnx"];

/// Checks the fields that say what the model is.
pub(super) fn check(config: &ModelConfig, name: &str, mistakes: &mut Mistakes) {
    if !config.name.is_empty() && config.name != name {
        mistakes.add(
            "name",
            format!("must be the directory's name '{name}' or be left out, got '{}'", config.name),
        );
    }
    check_one("platform", &config.platform, &PLATFORMS, mistakes);
    check_one("backend", &config.backend, &BACKENDS, mistakes);
}

fn check_one(field: &str, value: &str, known: &[&str], mistakes: &mut Mistakes) {
    if !value.is_empty() && !known.contains(&value) {
        let known = known.join(", ");
        mistakes
            .add(field, format!("'{value}' is not served here; ONNX models are: {known}, or leave it out"));
    }
}
