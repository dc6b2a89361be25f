//! What can be said about a repository's models: check, seal, encrypt.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use girandole_seal::KeySource;

use crate::config::key_source;

#[derive(Debug, Args)]
pub(crate) struct CheckOptions {
    /// A repository: a directory of models
    #[arg(required = true)]
    pub(crate) repository: Vec<PathBuf>,
    /// Infer nothing: every model needs a complete config.pbtxt
    #[arg(long)]
    pub(crate) strict_model_config: bool,
    /// Take no version without a matching SHA256SUMS
    #[arg(long)]
    pub(crate) require_sha256sums: bool,
    /// Take no version without a signature of its SHA256SUMS by one of these public keys (Ed25519, PEM)
    #[arg(long, value_name = "FILE")]
    pub(crate) trusted_keys: Option<PathBuf>,
    /// The file with the keys of encrypted versions, one on each line
    #[arg(long, value_name = "FILE", group = "keys")]
    model_key_file: Option<PathBuf>,
    /// The environment variable with these keys instead
    #[arg(long, value_name = "NAME", group = "keys")]
    model_key_env: Option<String>,
    /// The shell command that prints these keys instead
    #[arg(long, value_name = "COMMAND", group = "keys")]
    model_key_command: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

impl CheckOptions {
    /// Where the keys of encrypted versions come from.
    pub(crate) fn keys(&self) -> Result<Option<KeySource>, String> {
        key_source(self.model_key_file.clone(), self.model_key_env.clone(), self.model_key_command.clone())
    }
}

#[derive(Debug, Default, Args)]
pub(crate) struct SealOptions {
    /// A model of a repository (all its versions), or one version's folder
    #[arg(required = true)]
    pub(crate) folder: Vec<PathBuf>,
    /// Also write SHA256SUMS.sig, the signature by this private key (Ed25519, PEM), for this version of this model alone
    #[arg(long, value_name = "KEY.pem")]
    pub(crate) sign: Option<PathBuf>,
    /// The model that it is signed as [default: the name of the folder that the version's is in]
    #[arg(long, value_name = "NAME", requires = "sign")]
    pub(crate) model: Option<String>,
    /// Sign for any number and model, for a folder that goes to several places
    #[arg(long, requires = "sign", conflicts_with = "model")]
    pub(crate) any_name: bool,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("key").args(["key_file", "key_env", "key_command"]).required(true))]
pub(crate) struct EncryptOptions {
    /// One version's folder
    pub(crate) folder: PathBuf,
    /// The folder to write, which must not be there yet
    pub(crate) out: PathBuf,
    /// The file with the key: 32 bytes as 64 hexadecimal digits or in base64; of several lines the first counts
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The environment variable with the key instead
    #[arg(long, value_name = "NAME")]
    key_env: Option<String>,
    /// The shell command that prints the key instead, within 30 seconds
    #[arg(long, value_name = "COMMAND")]
    key_command: Option<String>,
}

impl EncryptOptions {
    /// Where the key comes from.
    pub(crate) fn key(&self) -> Result<Option<KeySource>, String> {
        key_source(self.key_file.clone(), self.key_env.clone(), self.key_command.clone())
    }
}
