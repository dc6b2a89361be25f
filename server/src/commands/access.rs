//! `girandole access`: API keys for an access file, and what is wrong with one.

use std::{path::Path, process::ExitCode};

use girandole_access::new_key;
use girandole_api::security::Guard;

use super::{Failure, Outcome, output::say};
use crate::cli::{AccessCommand, AccessOptions};

pub(crate) fn run(options: &AccessOptions) -> Outcome {
    match &options.command {
        AccessCommand::Key { name } => key(name),
        AccessCommand::Check { file } => check(file),
    }
}

fn key(name: &str) -> Outcome {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| Failure::new(format!("no random numbers: {error}")))?;
    let (key, digest) = new_key(random);
    let name = toml::Value::from(name);
    say!("{key}");
    eprintln!("That is the key: it is shown once. The access file knows it by its digest:\n");
    eprintln!("[[key]]\nname = {name}\nsha256 = \"{digest}\"\nroles = [\"infer\"]\nmodels = [\"*\"]");
    Ok(ExitCode::SUCCESS)
}

fn check(file: &Path) -> Outcome {
    Guard::load(file)?;
    say!("{}: good", file.display());
    Ok(ExitCode::SUCCESS)
}
