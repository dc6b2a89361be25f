//! The model repository: its index, loading and unloading.

use girandole_access::Caller;
use girandole_core::{Error, Result};
use girandole_proto::oip::{
    ModelRepositoryParameter, RepositoryIndexRequest, RepositoryIndexResponse, RepositoryModelLoadRequest,
    RepositoryModelLoadResponse, RepositoryModelUnloadRequest, RepositoryModelUnloadResponse,
    model_repository_parameter::ParameterChoice, repository_index_response::ModelIndex,
};
use girandole_runtime::service::IndexEntry;

use crate::{
    oip::{Oip, convert, refuse_repository, settings},
    security::visible,
};

/// Every model of the repository and where its versions stand.
pub(super) fn index(
    oip: &Oip,
    message: &RepositoryIndexRequest,
    caller: Option<&Caller>,
) -> Result<RepositoryIndexResponse> {
    refuse_repository(&message.repository_name)?;
    let entries = visible(oip.service.repository_index(message.ready), caller, |entry| &entry.name);
    Ok(RepositoryIndexResponse { models: entries.into_iter().map(entry).collect() })
}

/// Loads or reloads a model.
pub(super) async fn load(
    oip: &Oip,
    message: RepositoryModelLoadRequest,
) -> Result<RepositoryModelLoadResponse> {
    refuse_repository(&message.repository_name)?;
    let name = convert::model_name(&message.model_name)?;
    let overrides = settings::load_override(message.parameters.into_iter().map(text))?;
    oip.service.load_model(name, overrides).await?;
    Ok(RepositoryModelLoadResponse {})
}

/// Unloads every version of a model.
pub(super) async fn unload(
    oip: &Oip,
    message: RepositoryModelUnloadRequest,
) -> Result<RepositoryModelUnloadResponse> {
    refuse_repository(&message.repository_name)?;
    let name = convert::model_name(&message.model_name)?;
    let dependents = message.parameters.get("unload_dependents");
    let asked =
        dependents.is_some_and(|value| value.parameter_choice == Some(ParameterChoice::BoolParam(true)));
    settings::unload_dependents(asked)?;
    oip.service.unload_model(name).await?;
    Ok(RepositoryModelUnloadResponse {})
}

fn entry(of: IndexEntry) -> ModelIndex {
    ModelIndex {
        name: of.name,
        version: of.version.map(|version| version.to_string()).unwrap_or_default(),
        state: of.state.map(|state| state.to_string()).unwrap_or_default(),
        reason: of.reason,
    }
}

fn text((key, value): (String, ModelRepositoryParameter)) -> (String, Result<String>) {
    let text = match value.parameter_choice {
        Some(ParameterChoice::StringParam(text)) => Ok(text),
        _ => Err(Error::invalid(format!("the parameter '{key}' must be a string"))),
    };
    (key, text)
}
