//! What the server is, and what a model takes and gives.

use girandole_core::{Result, TensorSpec};
use girandole_proto::oip::{
    ModelMetadataRequest, ModelMetadataResponse, ServerMetadataResponse,
    model_metadata_response::TensorMetadata,
};

use crate::oip::{EXTENSIONS, NAME, Oip, VERSION, convert};

/// The server's name, version and extensions.
pub(super) fn server() -> ServerMetadataResponse {
    ServerMetadataResponse {
        name: NAME.to_owned(),
        version: VERSION.to_owned(),
        extensions: EXTENSIONS.map(str::to_owned).to_vec(),
    }
}

/// A model's versions, inputs and outputs.
pub(super) fn model(oip: &Oip, message: &ModelMetadataRequest) -> Result<ModelMetadataResponse> {
    let (name, version) = convert::model(&message.name, &message.version)?;
    let metadata = oip.service.model_metadata(name, &version)?;
    Ok(ModelMetadataResponse {
        versions: metadata.versions.iter().map(u64::to_string).collect(),
        inputs: metadata.spec.inputs.iter().map(tensor).collect(),
        outputs: metadata.spec.outputs.iter().map(tensor).collect(),
        name: metadata.name,
        platform: metadata.platform,
        properties: metadata.properties.into_iter().collect(),
    })
}

fn tensor(spec: &TensorSpec) -> TensorMetadata {
    TensorMetadata {
        name: spec.name.clone(),
        datatype: spec.dtype.name().to_owned(),
        shape: spec.wire_shape(),
    }
}
