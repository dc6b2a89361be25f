//! Reads a model file: its head, its operator sets, its graph.

use std::{
    collections::HashMap,
    io::{self, Cursor},
    path::Path,
};

use bytes::Bytes;
use girandole_core::{Error, Files, Source, open_within};
use girandole_proto::onnx::{GraphProto, ModelProto, OperatorSetIdProto};

use super::{
    functions::{Frame, Functions, Opsets, nodes},
    import::{Context, Importer, Weights},
    lean,
};
use crate::{
    Tuning,
    error::{OpError, Result, unreadable},
    graph::Graph,
    ops::{Domain, function::BODY_OPSET},
    passes::Folding,
};

/// The most nodes of a file.
const MAX_NODES: usize = 1 << 20;

/// A model file as imported.
#[derive(Debug)]
pub struct ModelFile {
    /// The graph, its passes done.
    pub graph: Graph,
    /// Who wrote the file.
    pub producer: String,
    /// The operator sets that it imports: domain and version.
    pub opsets: Vec<(String, i64)>,
}

/// Imports the bytes of a model file. `folder` is where its external data may lie.
///
/// # Errors
/// `InvalidArgument` that names the node and what is wrong or missing.
pub fn import(bytes: Bytes, folder: Option<&Path>) -> Result<ModelFile, Error> {
    import_from(&InMemory { bytes, folder }, Tuning::default())
}

/// Imports a model's files without reading them into memory first.
///
/// # Errors
/// As [`import`], and `Unavailable` where a file cannot be read.
pub fn import_from(files: &dyn Files, tuning: Tuning) -> Result<ModelFile, Error> {
    let file = files.model().map_err(|error| unreadable("the model's file", &error))?;
    let (model, weights) = lean::read(file)?;
    read(model, &weights, files, tuning).map_err(|error| error.at("model"))
}

/// Imports a graph that was made here, of [`BODY_OPSET`]'s operators; `files` are the model's.
///
/// # Errors
/// `Invalid` naming the node that can never run.
pub(crate) fn import_graph(
    graph: GraphProto,
    weights: &dyn Weights,
    files: &dyn Files,
    tuning: Tuning,
) -> Result<Graph> {
    let opsets = Opsets::from([(Domain::Onnx, BODY_OPSET)]);
    check_size(&graph)?;
    let functions = Functions::new(&[], &opsets)?;
    let context = Context { functions, files, folding: Folding::default(), weights, tuning };
    Importer::new(&context, &Frame::of_model(&opsets)).graph(graph)
}

/// A model file's bytes, and where its external data may lie.
#[derive(Debug)]
struct InMemory<'a> {
    bytes: Bytes,
    folder: Option<&'a Path>,
}

impl Files for InMemory<'_> {
    fn name(&self) -> &str {
        "model.onnx"
    }

    fn model(&self) -> io::Result<Box<dyn Source>> {
        Ok(Box::new(Cursor::new(self.bytes.clone())))
    }

    fn beside(&self, path: &Path) -> io::Result<Box<dyn Source>> {
        let none = || io::Error::new(io::ErrorKind::Unsupported, "it is not allowed here");
        Ok(Box::new(open_within(self.folder.ok_or_else(none)?, path)?))
    }
}

fn read(
    mut model: ModelProto,
    weights: &dyn Weights,
    files: &dyn Files,
    tuning: Tuning,
) -> Result<ModelFile> {
    let opsets = model_opsets(&model)?;
    let graph = model.graph.take().ok_or_else(|| OpError::invalid("the file has no graph"))?;
    if graph.node.is_empty() && graph.output.is_empty() {
        return Err(OpError::invalid("the graph is empty"));
    }
    if graph.output.is_empty() {
        return Err(OpError::invalid("the graph has no outputs"));
    }
    check_size(&graph)?;
    let functions = Functions::new(&model.functions, &opsets)?;
    let folding = Folding::default();
    let context = Context { functions, files, folding, weights, tuning };
    let frame = Frame::of_model(&opsets);
    Ok(ModelFile {
        graph: Importer::new(&context, &frame).graph(graph)?,
        producer: format!("{} {}", model.producer_name, model.producer_version).trim().to_owned(),
        opsets: model.opset_import.into_iter().map(|set| (set.domain, set.version)).collect(),
    })
}

/// Whether a graph and those inside it are of a size that passes over them can take.
fn check_size(graph: &GraphProto) -> Result<()> {
    if graph.node.iter().map(nodes).sum::<usize>() <= MAX_NODES {
        return Ok(());
    }
    Err(OpError::invalid(format!("the file has more than {MAX_NODES} nodes")))
}

fn model_opsets(model: &ModelProto) -> Result<Opsets> {
    if model.functions.is_empty() && model.opset_import.iter().all(|set| Domain::parse(&set.domain).is_none())
    {
        return Err(OpError::invalid("the file imports no operator set"));
    }
    let mut opsets = opsets(&model.opset_import)?;
    // Exporters leave these out when a tool adds the node afterwards.
    opsets.entry(Domain::Microsoft).or_insert(1);
    Ok(opsets)
}

/// The versions of the domains that the engine knows.
///
/// # Errors
/// `Unsupported` for a version that it does not know.
pub(super) fn opsets(sets: &[OperatorSetIdProto]) -> Result<Opsets> {
    let mut opsets = HashMap::new();
    for set in sets {
        // A domain that no node uses does no harm; a node of it is refused by name.
        let Some(domain) = Domain::parse(&set.domain) else { continue };
        let newest = domain.newest();
        let version =
            u32::try_from(set.version).ok().filter(|&v| v >= 1 && v <= newest).ok_or_else(|| {
                let name = domain.name();
                OpError::unsupported(format!(
                    "opset {} of {name} is not supported, the newest is {newest}",
                    set.version
                ))
            })?;
        opsets.insert(domain, version);
    }
    Ok(opsets)
}
