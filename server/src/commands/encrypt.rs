//! `girandole encrypt`: an encrypted copy of a version's folder.

use std::process::ExitCode;

use girandole_runtime::repository;

use super::{Failure, Outcome, output::say};
use crate::cli::EncryptOptions;

pub(crate) fn run(options: &EncryptOptions) -> Outcome {
    let source = options.key().map_err(Failure::new)?;
    let source = source.ok_or_else(|| Failure::new("no key: give --key-file FILE"))?;
    let keys = source.read()?;
    let files = repository::encrypt(&options.folder, &options.out, keys.newest())?;
    say!(
        "encrypted {} into {}: {files} files; seal and sign it now",
        options.folder.display(),
        options.out.display()
    );
    Ok(ExitCode::SUCCESS)
}
