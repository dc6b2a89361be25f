//! The engine as the runtime sees it: a loader of model files.

use std::{fs::File, sync::Arc};

use girandole_core::{Error, LoadRequest, Loader, Model, Result};

use crate::{Exactness, device, model::OnnxModel, onnx, plan::Plan};

/// Loads ONNX files onto candle.
#[derive(Clone, Debug, Default)]
pub struct Engine;

impl Loader for Engine {
    fn load(&self, request: &LoadRequest) -> Result<Arc<dyn Model>> {
        request.options.placements.iter().try_for_each(|&placement| device::check(placement))?;
        load(request).map(|model| Arc::new(model) as Arc<dyn Model>)
    }
}

/// Reads, checks and plans a model file.
pub(crate) fn load(request: &LoadRequest) -> Result<OnnxModel> {
    let exactness = Exactness::of(&request.options.parameters)?;
    let file = File::open(&request.path)
        .map_err(|error| Error::unavailable(format!("the model's file cannot be read: {}", error.kind())))?;
    let file = onnx::import_from(file, request.path.parent(), exactness)?;
    let plan = Plan::new(file.graph).map_err(|error| error.at("model"))?;
    OnnxModel::new(plan)
}
