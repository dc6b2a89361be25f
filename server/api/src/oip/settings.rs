//! Settings that clients change by key and value, the same over REST and gRPC: load overrides and the log.

use girandole_core::{Error, ErrorCode, Parameter, Result};
use girandole_runtime::service::LoadOverride;

use crate::log_control::{LogFormat, LogSettings};

/// Reads the parameters of a load request.
///
/// # Errors
/// `InvalidArgument` for anything but `config`: files in particular come from the repository only.
pub(super) fn load_override(
    parameters: impl IntoIterator<Item = (String, Result<String>)>,
) -> Result<LoadOverride> {
    let mut overrides = LoadOverride::default();
    for (key, text) in parameters {
        match key.as_str() {
            "config" => overrides.config = Some(text?),
            _ if key.starts_with("file:") => {
                return Err(Error::invalid(
                    "files cannot be replaced by a load request: put them into the repository",
                ));
            }
            _ => {
                let key: String = key.chars().take(64).collect();
                return Err(Error::invalid(format!("unknown load parameter '{key}', known is 'config'")));
            }
        }
    }
    Ok(overrides)
}

/// Refuses to unload what depends on a model: nothing can, as ensembles are not served.
///
/// # Errors
/// `Unimplemented` where it is asked for.
pub(super) fn unload_dependents(asked: bool) -> Result<()> {
    if !asked {
        return Ok(());
    }
    Err(Error::new(ErrorCode::Unimplemented, "'unload_dependents' is not served: unload each model by name"))
}

/// The log's settings by the protocol's keys.
pub(super) fn log_entries(settings: &LogSettings) -> [(&'static str, Parameter); 5] {
    let format = match settings.format {
        LogFormat::Default => "default",
        LogFormat::Iso8601 => "ISO8601",
    };
    [
        ("log_info", Parameter::Bool(settings.info)),
        ("log_warning", Parameter::Bool(settings.warning)),
        ("log_error", Parameter::Bool(settings.error)),
        ("log_verbose_level", Parameter::U64(settings.verbose_level.into())),
        ("log_format", Parameter::String(format.to_owned())),
    ]
}

/// The settings with one of them changed.
///
/// # Errors
/// `InvalidArgument` for an unknown key or a value of the wrong type.
pub(super) fn log_changed(mut settings: LogSettings, key: &str, value: &Parameter) -> Result<LogSettings> {
    match key {
        "log_info" => settings.info = flag(key, value)?,
        "log_warning" => settings.warning = flag(key, value)?,
        "log_error" => settings.error = flag(key, value)?,
        "log_verbose_level" => settings.verbose_level = level(value)?,
        "log_format" => settings.format = format(value)?,
        "log_file" => {
            return Err(Error::new(ErrorCode::Unimplemented, "'log_file' cannot be set: logs go to stderr"));
        }
        _ => {
            let key: String = key.chars().take(64).collect();
            return Err(Error::invalid(format!("unknown log setting '{key}'")));
        }
    }
    Ok(settings)
}

fn flag(key: &str, value: &Parameter) -> Result<bool> {
    match value {
        Parameter::Bool(value) => Ok(*value),
        _ => Err(Error::invalid(format!("'{key}' must be true or false"))),
    }
}

fn level(value: &Parameter) -> Result<u32> {
    let level = match value {
        Parameter::I64(level) => u32::try_from(*level).ok(),
        Parameter::U64(level) => u32::try_from(*level).ok(),
        Parameter::Bool(_) | Parameter::F64(_) | Parameter::String(_) => None,
    };
    level.ok_or_else(|| Error::invalid("'log_verbose_level' must be an integer of 0 or more"))
}

fn format(value: &Parameter) -> Result<LogFormat> {
    match value {
        Parameter::String(text) if text == "default" => Ok(LogFormat::Default),
        Parameter::String(text) if text == "ISO8601" => Ok(LogFormat::Iso8601),
        _ => Err(Error::invalid("'log_format' must be 'default' or 'ISO8601'")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_set() {
        let settings = LogSettings {
            verbose_level: 2,
            format: LogFormat::Iso8601,
            info: false,
            ..LogSettings::default()
        };
        let mut read = LogSettings::default();
        for (key, value) in log_entries(&settings) {
            read = log_changed(read, key, &value).unwrap();
        }
        assert_eq!(read, settings);
    }

    #[test]
    fn odd_settings_are_refused() {
        for (key, value) in [
            ("log_info", Parameter::I64(1)),
            ("log_verbose_level", Parameter::I64(-1)),
            ("log_format", Parameter::String("json".into())),
            ("log_level", Parameter::Bool(true)),
        ] {
            let error = log_changed(LogSettings::default(), key, &value).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidArgument, "{key}");
        }
    }
}
