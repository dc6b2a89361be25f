//! Which `platform` and `backend` values people write for models of a format, so that their repositories are served.

use girandole_core::Format;
use girandole_proto::config::ModelConfig;

use super::{Context, mistakes::Mistakes};

/// What a configuration without one is completed with.
pub(super) const BACKEND: &str = "girandole";

/// What is written for models of one format.
struct Known {
    format: &'static str,
    platforms: &'static [&'static str],
    backends: &'static [&'static str],
}

const ONNX: Known = Known {
    format: "ONNX",
    platforms: &["onnx_girandole", "onnxruntime_onnx", "onnx"],
    backends: &[BACKEND, "onnxruntime", "onnx"],
};

const SAFETENSORS: Known = Known {
    format: "safetensors",
    platforms: &["safetensors_girandole", "safetensors"],
    backends: &[BACKEND],
};

const fn known(format: Format) -> &'static Known {
    match format {
        Format::Onnx => &ONNX,
        Format::Safetensors => &SAFETENSORS,
    }
}

/// What a configuration without a platform is completed with.
pub(super) fn platform(format: Format) -> &'static str {
    known(format).platforms.first().copied().unwrap_or_default()
}

/// Checks the fields that say what the model is.
pub(super) fn check(config: &ModelConfig, context: &Context<'_>, mistakes: &mut Mistakes) {
    let name = context.name;
    if !config.name.is_empty() && config.name != name {
        mistakes.add(
            "name",
            format!("must be the directory's name '{name}' or be left out, got '{}'", config.name),
        );
    }
    let known = known(Format::of(context.filename));
    check_one("platform", &config.platform, known.format, known.platforms, mistakes);
    check_one("backend", &config.backend, known.format, known.backends, mistakes);
}

fn check_one(field: &str, value: &str, format: &str, known: &[&str], mistakes: &mut Mistakes) {
    if !value.is_empty() && !known.contains(&value) {
        let known = known.join(", ");
        mistakes.add(
            field,
            format!("'{value}' is not served here; {format} models are: {known}, or leave it out"),
        );
    }
}
