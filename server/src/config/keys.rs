//! Where keys for encrypted models come from: one of three options.

use std::path::PathBuf;

use girandole_seal::KeySource;

/// The source that was given, if any.
///
/// # Errors
/// Where it is more than one.
pub(crate) fn key_source(
    file: Option<PathBuf>,
    env: Option<String>,
    command: Option<String>,
) -> Result<Option<KeySource>, String> {
    match (file, env, command) {
        (None, None, None) => Ok(None),
        (Some(file), None, None) => Ok(Some(KeySource::File(file))),
        (None, Some(name), None) => Ok(Some(KeySource::Env(name))),
        (None, None, Some(line)) => Ok(Some(KeySource::Command(line))),
        _ => {
            Err("keys come from one place: give one of the options of a file, a variable, a command"
                .to_owned())
        }
    }
}
