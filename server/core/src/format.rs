//! The formats of model files. A file's name says which it is in.

/// The format of a model's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// ONNX: graph and weights. <https://onnx.ai>
    Onnx,
    /// safetensors: weights, whose graph a `config.json` beside them describes.
    /// <https://huggingface.co/docs/safetensors>
    Safetensors,
}

impl Format {
    /// What a version's model is looked for as, in this order.
    pub const FILE_NAMES: [&str; 3] = ["model.onnx", "model.safetensors", "model.safetensors.index.json"];

    /// The format of a file of this name: ONNX, unless it ends as safetensors or as their index does.
    pub fn of(name: &str) -> Self {
        let endings = [".safetensors", Self::INDEX];
        if endings.iter().any(|ending| name.ends_with(ending)) { Self::Safetensors } else { Self::Onnx }
    }

    /// How a file ends that says which tensors lie in which file.
    pub const INDEX: &str = ".safetensors.index.json";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_in_its_format() {
        let formats = Format::FILE_NAMES.map(Format::of);
        assert_eq!(formats, [Format::Onnx, Format::Safetensors, Format::Safetensors]);
        assert_eq!(Format::of("weights"), Format::Onnx);
    }
}
