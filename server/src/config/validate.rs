//! From options to a configuration: defaults filled in, and everything that contradicts itself reported.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use girandole_api::security::{ClientAuth, TlsFiles};
use girandole_runtime::repository::Trust;

use super::{
    Addresses, ClientCertificates, ControlMode, LoadPriority, ServeLimits, ServeOptions, key_source, limits,
};
use crate::logging::{self, LogFormat};

/// A day: longer is as good as for ever, and a clock can count it.
const MAX_EXIT_TIMEOUT: u64 = 24 * 3600;

/// The audit log's name in a state directory.
const AUDIT_LOG: &str = "audit.jsonl";

/// How to serve, complete and consistent.
#[derive(Clone, Debug)]
pub(crate) struct ServeConfig {
    pub(crate) repositories: Vec<PathBuf>,
    pub(crate) control_mode: ControlMode,
    pub(crate) load_models: Vec<String>,
    pub(crate) poll_interval: Duration,
    pub(crate) settle_time: Duration,
    pub(crate) state_dir: Option<PathBuf>,
    pub(crate) trust: Trust,
    pub(crate) strict_model_config: bool,
    pub(crate) load_threads: usize,
    pub(crate) load_priority: LoadPriority,
    pub(crate) cores: usize,
    /// How many there are, or why none can be used.
    pub(crate) gpus: Result<usize, String>,
    pub(crate) addresses: Addresses,
    pub(crate) admin_token_file: Option<PathBuf>,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) access_file: Option<PathBuf>,
    pub(crate) limits: ServeLimits,
    pub(crate) exit_timeout: Duration,
    pub(crate) shutdown_grace: Duration,
    pub(crate) log_format: LogFormat,
    pub(crate) log_level: String,
    pub(crate) audit_log: Option<PathBuf>,
    pub(crate) trace_file: Option<PathBuf>,
}

/// What the machine has, as far as a configuration depends on it.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    /// Processor cores.
    pub(crate) cores: usize,
    /// GPUs, or why none can be used.
    pub(crate) gpus: Result<usize, String>,
}

/// The text of the configuration file that options name; empty where they name none.
///
/// # Errors
/// Where it cannot be read.
pub(crate) fn read_file(options: &ServeOptions) -> Result<String, String> {
    let Some(path) = &options.config else { return Ok(String::new()) };
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// The configuration that flags and environment, over the file they name, over the defaults make up.
///
/// # Errors
/// Every mistake, a line each.
pub(crate) fn resolve(options: ServeOptions, file: &str, machine: Machine) -> Result<ServeConfig, String> {
    let path = options.config.as_deref().unwrap_or(Path::new("")).display();
    let below = toml::from_str(file).map_err(|error| format!("{path}: {error}"))?;
    validate(options.over(below), machine)
}

fn validate(mut options: ServeOptions, machine: Machine) -> Result<ServeConfig, String> {
    let mut mistakes = Vec::new();
    let control_mode = options.model_control_mode.unwrap_or_default();
    if options.model_repository.is_empty() {
        mistakes.push("no repository: give --model-repository DIR".to_owned());
    }
    if !options.load_model.is_empty() && control_mode != ControlMode::Explicit {
        mistakes.push("--load-model needs --model-control-mode explicit".to_owned());
    }
    for (name, value) in [
        ("--repository-poll-secs", options.repository_poll_secs),
        ("--model-load-thread-count", options.model_load_thread_count.map(|count| count as u64)),
        ("--cores", options.cores.map(|count| count as u64)),
    ] {
        if value == Some(0) {
            mistakes.push(format!("{name} must be at least 1"));
        }
    }
    let limits = limits::of(&options).unwrap_or_else(|found| {
        mistakes.extend(found);
        ServeLimits::default()
    });
    let addresses = Addresses::of(&options);
    let stopping = stopping(options.exit_timeout_secs, options.shutdown_grace_secs);
    let (exit_timeout, shutdown_grace) = stopping.unwrap_or_else(|mistake| {
        mistakes.push(mistake);
        Default::default()
    });
    let clients = options.tls_client_ca.take().map(|authorities| ClientAuth {
        authorities,
        required: options.tls_client_auth.unwrap_or_default() == ClientCertificates::Required,
    });
    if clients.is_none() && options.tls_client_auth.is_some() {
        mistakes.push("--tls-client-auth needs --tls-client-ca".to_owned());
    }
    let tls = tls(options.tls_cert.take(), options.tls_key.take(), clients).unwrap_or_else(|mistake| {
        mistakes.push(mistake);
        None
    });
    let trust = trust(&mut options).unwrap_or_else(|mistake| {
        mistakes.push(mistake);
        Trust::default()
    });
    let log_level = log_level(options.log_level.take(), options.log_verbose);
    mistakes.extend(logging::filter(&log_level).err());
    mistakes.extend(addresses.mistakes(tls.is_some(), &options));
    let in_state_dir = options.state_dir.as_ref().map(|dir| dir.join(AUDIT_LOG));
    mistakes.extend(missing_gpu(options.require_gpu.unwrap_or(false), &machine.gpus));
    if !mistakes.is_empty() {
        return Err(mistakes.join("\n  "));
    }
    Ok(ServeConfig {
        repositories: options.model_repository,
        control_mode,
        load_models: options.load_model,
        poll_interval: Duration::from_secs(options.repository_poll_secs.unwrap_or(15)),
        settle_time: Duration::from_millis(options.repository_settle_ms.unwrap_or(1000)),
        state_dir: options.state_dir,
        trust,
        strict_model_config: options.strict_model_config.unwrap_or(false),
        load_threads: options.model_load_thread_count.unwrap_or(2),
        load_priority: options.load_priority.unwrap_or_default(),
        cores: options.cores.unwrap_or(machine.cores),
        gpus: machine.gpus,
        addresses,
        admin_token_file: options.admin_token_file,
        tls,
        access_file: options.access_file,
        limits,
        exit_timeout,
        shutdown_grace,
        log_format: options.log_format.unwrap_or_default(),
        log_level,
        audit_log: options.audit_log.or(in_state_dir),
        trace_file: options.trace_file,
    })
}

/// What is asked of versions' files. That keys can be read is found out when the server starts.
fn trust(options: &mut ServeOptions) -> Result<Trust, String> {
    let (file, env) = (options.model_key_file.take(), options.model_key_env.take());
    let model_keys = key_source(file, env, options.model_key_command.take())
        .map_err(|mistake| format!("--model-key-file, --model-key-env, --model-key-command: {mistake}"))?;
    Ok(Trust {
        require_digests: options.require_sha256sums.unwrap_or(false),
        trusted_keys: options.trusted_keys.take(),
        model_keys,
    })
}

/// Why the server must not start without a GPU.
fn missing_gpu(required: bool, gpus: &Result<usize, String>) -> Option<String> {
    let why = match gpus {
        Ok(1..) => return None,
        Ok(0) => "this machine has none",
        Err(why) => why,
    };
    required.then(|| format!("--require-gpu: no GPU can be used: {why}"))
}

/// How long a stop may take, and how much of it requests are still taken. Where only a short timeout is
/// given, half of it is left for what was taken.
fn stopping(timeout: Option<u64>, grace: Option<u64>) -> Result<(Duration, Duration), String> {
    let timeout = Duration::from_secs(timeout.unwrap_or(30).min(MAX_EXIT_TIMEOUT));
    match grace.map(Duration::from_secs) {
        None => Ok((timeout, Duration::from_secs(1).min(timeout / 2))),
        Some(grace) if grace.is_zero() || grace < timeout => Ok((timeout, grace)),
        Some(_) => {
            Err("--shutdown-grace-secs must be less than --exit-timeout-secs, it is a part of it".to_owned())
        }
    }
}

fn tls(
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    clients: Option<ClientAuth>,
) -> Result<Option<TlsFiles>, String> {
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert, key, clients })),
        (None, None) if clients.is_some() => Err("--tls-client-ca needs --tls-cert and --tls-key".to_owned()),
        (None, None) => Ok(None),
        (Some(_), None) => Err("--tls-cert needs --tls-key".to_owned()),
        (None, Some(_)) => Err("--tls-key needs --tls-cert".to_owned()),
    }
}

fn log_level(level: Option<String>, verbose: Option<u8>) -> String {
    level.unwrap_or_else(|| {
        match verbose {
            None | Some(0) => "info",
            Some(1) => "debug",
            Some(_) => "trace",
        }
        .to_owned()
    })
}

#[cfg(test)]
mod tests;
