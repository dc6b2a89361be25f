//! Models that are weights in safetensors and a `config.json`: what the configuration describes is written as a
//! graph of ONNX operators, spelled as PyTorch's exporter would, and goes the way of every other graph from there.
//!
//! To add an architecture: a file with its configuration and its `build`, and a line in [`FAMILIES`]. Tensors have
//! PyTorch's names and shapes; one that is missing, left over or of another shape is refused.

mod bert;
mod distilbert;
mod document;
mod encoder;
mod heads;
mod layers;
mod network;
mod perceptron;
mod recurrent;
mod roberta;
mod sentence;
mod sequential;
mod task;

use girandole_core::{Error, Files};

use crate::{
    Tuning,
    error::{OpError, Result},
    graph::Graph,
    onnx,
    safetensors::Catalog,
};

use document::Document;
use network::Network;
use task::Task;

/// What is built from a `config.json` of one `model_type`.
struct Family {
    model_type: &'static str,
    build: Build,
}

#[derive(Clone, Copy)]
enum Build {
    /// A model of transformers, by what its classes' names begin with.
    Encoder(&'static str, fn(&Task, &Document, &mut Network<'_>) -> Result<()>),
    /// A model of ours.
    Plain(fn(&Document, &mut Network<'_>) -> Result<()>),
}

const FAMILIES: &[Family] = &[
    Family { model_type: "bert", build: Build::Encoder("Bert", bert::build) },
    Family { model_type: "distilbert", build: Build::Encoder("DistilBert", distilbert::build) },
    Family { model_type: "roberta", build: Build::Encoder("Roberta", roberta::build) },
    Family { model_type: "xlm-roberta", build: Build::Encoder("XLMRoberta", roberta::build) },
    Family { model_type: "camembert", build: Build::Encoder("Camembert", roberta::build) },
    Family { model_type: "girandole-mlp", build: Build::Plain(perceptron::build) },
    Family { model_type: "girandole-lstm", build: Build::Plain(recurrent::lstm) },
    Family { model_type: "girandole-gru", build: Build::Plain(recurrent::gru) },
];

/// Reads a model's configuration and weights into a graph, its passes done.
///
/// # Errors
/// `InvalidArgument` that names the file, the field or the tensor, what was expected and what came; `Unavailable`
/// where a file cannot be read.
pub(crate) fn import(files: &dyn Files, tuning: Tuning) -> Result<Graph, Error> {
    read(files, tuning).map_err(|error| error.at("model"))
}

fn read(files: &dyn Files, tuning: Tuning) -> Result<Graph> {
    let document = Document::read(files)?;
    let family = FAMILIES.iter().find(|family| family.model_type == document.model_type());
    let family = family.ok_or_else(|| unknown(&document))?;
    let catalog = Catalog::open(files)?;
    let mut network = Network::new(&catalog, document.name());
    match family.build {
        Build::Plain(build) => build(&document, &mut network)?,
        Build::Encoder(class, build) => {
            let task = Task::of(&document, class, files)?;
            build(&task, &document, &mut network)?;
        }
    }
    let (graph, weights) = network.finish()?;
    let graph = onnx::import_graph(graph, &weights, files, tuning)?;
    Ok(Graph { half: weights.half(), ..graph })
}

fn unknown(document: &Document) -> OpError {
    let known: Vec<_> = FAMILIES.iter().map(|family| family.model_type).collect();
    OpError::unsupported(format!(
        "config.json: model_type '{}' is not served from safetensors; these are: {}. Others are served as ONNX",
        document.model_type(),
        known.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use girandole_core::Folder;

    use super::*;
    use crate::value::ElemType;

    #[test]
    fn the_type_of_most_weights_is_told() {
        let saved = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/safetensors");
        let half = |name: &str| {
            let files = Folder::of(saved.join(name).join("model.safetensors"));
            import(&files, Tuning::default()).unwrap().half
        };
        assert_eq!(half("bert"), None);
        assert_eq!(half("bert_float16"), Some(ElemType::F16));
        assert_eq!(half("bert_bfloat16"), Some(ElemType::BF16));
    }
}
