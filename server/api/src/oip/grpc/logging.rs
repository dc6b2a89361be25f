//! The log's settings, seen and changed while the server runs.

use girandole_core::{Error, Parameter, Result};
use girandole_proto::oip::{
    LogSettingsRequest, LogSettingsResponse, log_settings_request, log_settings_response,
};

use crate::oip::{Oip, settings};

/// Changes the settings given, all or none, and answers those in force.
pub(super) fn update(oip: &Oip, message: LogSettingsRequest) -> Result<LogSettingsResponse> {
    if !message.settings.is_empty() {
        let mut changed = oip.log.settings();
        for (key, value) in message.settings {
            changed = settings::log_changed(changed, &key, &read(&key, value)?)?;
        }
        oip.log.update(changed)?;
    }
    let entries = settings::log_entries(&oip.log.settings());
    let settings = entries.into_iter().map(|(key, value)| (key.to_owned(), write(value))).collect();
    Ok(LogSettingsResponse { settings })
}

fn read(key: &str, value: log_settings_request::SettingValue) -> Result<Parameter> {
    use log_settings_request::setting_value::ParameterChoice;
    match value.parameter_choice {
        Some(ParameterChoice::BoolParam(value)) => Ok(Parameter::Bool(value)),
        Some(ParameterChoice::Uint32Param(value)) => Ok(Parameter::U64(value.into())),
        Some(ParameterChoice::StringParam(value)) => Ok(Parameter::String(value)),
        None => Err(Error::invalid(format!("the log setting '{key}' has no value"))),
    }
}

fn write(value: Parameter) -> log_settings_response::SettingValue {
    use log_settings_response::setting_value::ParameterChoice;
    let choice = match value {
        Parameter::Bool(value) => ParameterChoice::BoolParam(value),
        Parameter::U64(value) => ParameterChoice::Uint32Param(u32::try_from(value).unwrap_or(u32::MAX)),
        Parameter::I64(value) => ParameterChoice::Uint32Param(u32::try_from(value).unwrap_or_default()),
        Parameter::F64(value) => ParameterChoice::StringParam(value.to_string()),
        Parameter::String(value) => ParameterChoice::StringParam(value),
    };
    log_settings_response::SettingValue { parameter_choice: Some(choice) }
}
