//! `optimization.cuda.graph_spec`: shapes whose graphs are captured before a version serves, as requests to run
//! then. Graphs of other shapes are captured when they first come.

use girandole_core::{DeviceKind, Dim, InferRequest, ModelSpec, NamedTensor, Placement, Shape, Tensor};
use girandole_proto::config::{
    ModelConfig,
    model_optimization_policy::cuda::{GraphSpec, graph_spec},
};

use super::{mistakes::Mistakes, warmup::random};
use crate::settings::WarmupRequest;

/// The most bytes of one input.
const MAX_BYTES: usize = 1 << 30;

/// A request for each graph; none where no session is on a GPU.
pub(super) fn resolve(
    config: &ModelConfig,
    spec: &ModelSpec,
    instances: &[Placement],
    mistakes: &mut Mistakes,
) -> Vec<WarmupRequest> {
    let cuda = config.optimization.as_ref().and_then(|optimization| optimization.cuda.as_ref());
    let mut requests = Vec::new();
    for (i, graph) in cuda.map_or(&[][..], |cuda| &cuda.graph_spec).iter().enumerate() {
        let field = format!("optimization.cuda.graph_spec[{i}]");
        match request(&field, graph, spec) {
            Ok(request) => requests.push(request),
            Err(what) => mistakes.add(field, what),
        }
    }
    let on_gpu = instances.iter().any(|placement| placement.kind == DeviceKind::Gpu);
    if on_gpu { requests } else { Vec::new() }
}

fn request(field: &str, graph: &GraphSpec, spec: &ModelSpec) -> Result<WarmupRequest, String> {
    if graph.graph_lower_bound.is_some() {
        return Err(
            "graph_lower_bound is not supported: how far a batch is padded is the server's choice".into()
        );
    }
    let rows = match (spec.batches(), usize::try_from(graph.batch_size)) {
        (true, Ok(rows)) if (1..=spec.max_batch_size).contains(&rows) => Some(rows),
        (true, _) => return Err(format!("batch_size must be 1 to max_batch_size, {}", spec.max_batch_size)),
        (false, Ok(0 | 1)) => None,
        (false, _) => return Err("batch_size must be 0, since the model does not batch".into()),
    };
    let unknown = graph.input.keys().find(|name| spec.input_index(name).is_none());
    if let Some(name) = unknown {
        return Err(format!("the model has no input '{name}'"));
    }
    let wanted = spec.inputs.iter().filter(|input| !input.optional || graph.input.contains_key(&input.name));
    let inputs = wanted.map(|input| {
        let dims = match graph.input.get(&input.name) {
            Some(graph_spec::Shape { dim }) => {
                dim.iter().map(|&dim| usize::try_from(dim).ok()).collect::<Option<Vec<_>>>()
            }
            None => input
                .dims
                .as_ref()
                .and_then(|dims| dims.iter().skip(usize::from(spec.batches())).map(fixed).collect()),
        };
        let dims = dims.ok_or_else(|| format!("input '{}' needs its dims without -1", input.name))?;
        let shape: Shape = rows.into_iter().chain(dims).collect();
        let each = input.dtype.size().unwrap_or(4);
        let elements = shape.elements().filter(|elements| elements.saturating_mul(each) <= MAX_BYTES);
        let elements =
            elements.ok_or_else(|| format!("input '{}' is larger than {MAX_BYTES} bytes", input.name))?;
        let tensor = Tensor::new(input.dtype, shape, random(input.dtype, elements));
        Ok(NamedTensor::new(&input.name, tensor.map_err(|error| error.message().to_owned())?))
    });
    let request = InferRequest { inputs: inputs.collect::<Result<_, String>>()?, ..InferRequest::default() };
    spec.check(&request).map_err(|error| error.message().to_owned())?;
    Ok(WarmupRequest { name: field.to_owned(), inputs: request.inputs, count: 1 })
}

const fn fixed(dim: &Dim) -> Option<usize> {
    match dim {
        Dim::Fixed(size) => Some(*size),
        Dim::Free(_) => None,
    }
}
