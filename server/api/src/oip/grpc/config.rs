//! A model's configuration.

use girandole_core::Result;
use girandole_proto::oip::{ModelConfigRequest, ModelConfigResponse};

use crate::oip::{Oip, convert};

/// The configuration, with everything inferred filled in.
pub(super) fn model(oip: &Oip, message: &ModelConfigRequest) -> Result<ModelConfigResponse> {
    let (name, version) = convert::model(&message.name, &message.version)?;
    let config = oip.service.model_config(name, &version)?;
    Ok(ModelConfigResponse { config: Some((*config).clone()) })
}
