//! What can be said about serving: each option is a flag, an environment variable and a key of
//! `girandole.toml` (the flag's name with `_` for `-`). Unset options are `None`, so that a layer below may
//! set them.

use std::{net::IpAddr, path::PathBuf, str::FromStr};

use clap::{Args, ValueEnum};
use serde::Deserialize;

use crate::logging::LogFormat;

/// Where `--help` shows what clients may ask for.
const LIMITS: &str = "Limits";

/// When models are loaded and unloaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ControlMode {
    /// All models once, at the start.
    #[default]
    None,
    /// As the repository changes.
    Poll,
    /// By request only.
    Explicit,
}

/// How loading stands against serving.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LoadPriority {
    /// What nobody else wants.
    #[default]
    Idle,
    /// A tenth.
    Low,
}

/// Whether clients show certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ClientCertificates {
    /// All do.
    #[default]
    Required,
    /// Those that have one.
    Optional,
}

/// Where administration is served, if at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum AdminAddress {
    /// Nowhere.
    Off,
    /// On this address.
    On(IpAddr),
}

impl FromStr for AdminAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            ip => ip.parse().map(Self::On).map_err(|_| format!("'{ip}' is neither an IP address nor off")),
        }
    }
}

impl TryFrom<String> for AdminAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// Options of `girandole serve`.
#[derive(Clone, Debug, Default, PartialEq, Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ServeOptions {
    /// A configuration file (TOML) with these options as keys; flags and environment win over it
    #[arg(long, env = "GIRANDOLE_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub(crate) config: Option<PathBuf>,

    /// A directory of models; repeat for more
    #[arg(
        long,
        env = "GIRANDOLE_MODEL_REPOSITORY",
        value_name = "DIR",
        value_delimiter = ',',
        visible_alias = "model-store"
    )]
    pub(crate) model_repository: Vec<PathBuf>,
    /// When models are loaded and unloaded [default: none]
    #[arg(long, env = "GIRANDOLE_MODEL_CONTROL_MODE", value_enum, value_name = "MODE")]
    pub(crate) model_control_mode: Option<ControlMode>,
    /// A model to load at the start in explicit mode; `*` for all; repeat for more
    #[arg(long, env = "GIRANDOLE_LOAD_MODEL", value_name = "NAME", value_delimiter = ',')]
    pub(crate) load_model: Vec<String>,
    /// Seconds between two looks at the repository in poll mode [default: 15]
    #[arg(long, env = "GIRANDOLE_REPOSITORY_POLL_SECS", value_name = "SECS")]
    pub(crate) repository_poll_secs: Option<u64>,
    /// Milliseconds that a version's files must stay unchanged before it is loaded [default: 1000]
    #[arg(long, env = "GIRANDOLE_REPOSITORY_SETTLE_MS", value_name = "MS")]
    pub(crate) repository_settle_ms: Option<u64>,
    /// Where the server keeps what must outlast it: where rollouts stand, traffic of repositories that cannot be
    /// written, the audit log [default: .girandole in the first repository, for rollouts and traffic alone]
    #[arg(long, env = "GIRANDOLE_STATE_DIR", value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Load no version without a matching SHA256SUMS [default: false]
    #[arg(long, env = "GIRANDOLE_REQUIRE_SHA256SUMS", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) require_sha256sums: Option<bool>,
    /// Load no version without a signature of its SHA256SUMS by one of these public keys (Ed25519, PEM); read whenever a
    /// version is loaded
    #[arg(long, env = "GIRANDOLE_TRUSTED_KEYS", value_name = "FILE")]
    pub(crate) trusted_keys: Option<PathBuf>,
    /// The file with the keys of encrypted versions, one on each line; read whenever one is loaded
    #[arg(long, env = "GIRANDOLE_MODEL_KEY_FILE", value_name = "FILE")]
    pub(crate) model_key_file: Option<PathBuf>,
    /// The environment variable with these keys instead
    #[arg(long, env = "GIRANDOLE_MODEL_KEY_ENV", value_name = "NAME")]
    pub(crate) model_key_env: Option<String>,
    /// The shell command that prints these keys instead, within 30 seconds; run whenever an encrypted version is loaded
    #[arg(long, env = "GIRANDOLE_MODEL_KEY_COMMAND", value_name = "COMMAND")]
    pub(crate) model_key_command: Option<String>,
    /// Infer nothing: every model needs a complete config.pbtxt [default: false]
    #[arg(long, env = "GIRANDOLE_STRICT_MODEL_CONFIG", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) strict_model_config: Option<bool>,
    /// Threads that load models [default: 2]
    #[arg(long, env = "GIRANDOLE_MODEL_LOAD_THREAD_COUNT", value_name = "COUNT")]
    pub(crate) model_load_thread_count: Option<usize>,
    /// How loading stands against serving: idle gets only what nobody else wants of the processor, so that requests do
    /// not notice it; low gets a tenth, for processors that are never free [default: idle]
    #[arg(long, env = "GIRANDOLE_LOAD_PRIORITY", value_enum, value_name = "PRIORITY")]
    pub(crate) load_priority: Option<LoadPriority>,
    /// Processor cores that all sessions together keep busy [default: all]
    #[arg(long, env = "GIRANDOLE_CORES", value_name = "COUNT")]
    pub(crate) cores: Option<usize>,
    /// Refuse to start where no GPU can be used, instead of serving on the CPU [default: false]
    #[arg(long, env = "GIRANDOLE_REQUIRE_GPU", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) require_gpu: Option<bool>,

    /// The REST listener's address [default: 127.0.0.1]
    #[arg(long, env = "GIRANDOLE_HTTP_ADDRESS", value_name = "IP")]
    pub(crate) http_address: Option<IpAddr>,
    /// The REST listener's port; 0 takes a free one [default: 8000]
    #[arg(long, env = "GIRANDOLE_HTTP_PORT", value_name = "PORT")]
    pub(crate) http_port: Option<u16>,
    /// The gRPC listener's address [default: 127.0.0.1]
    #[arg(long, env = "GIRANDOLE_GRPC_ADDRESS", value_name = "IP")]
    pub(crate) grpc_address: Option<IpAddr>,
    /// The gRPC listener's port; 0 takes a free one [default: 8001]
    #[arg(long, env = "GIRANDOLE_GRPC_PORT", value_name = "PORT")]
    pub(crate) grpc_port: Option<u16>,
    /// The metrics listener's address [default: 127.0.0.1]
    #[arg(long, env = "GIRANDOLE_METRICS_ADDRESS", value_name = "IP")]
    pub(crate) metrics_address: Option<IpAddr>,
    /// The metrics listener's port; 0 takes a free one [default: 8002]
    #[arg(long, env = "GIRANDOLE_METRICS_PORT", value_name = "PORT")]
    pub(crate) metrics_port: Option<u16>,
    /// The address of the listener for administration, or off [default: 127.0.0.1]
    #[arg(long, env = "GIRANDOLE_ADMIN_ADDRESS", value_name = "IP|off")]
    pub(crate) admin_address: Option<AdminAddress>,
    /// The port of the listener for administration; 0 takes a free one [default: 8003]
    #[arg(long, env = "GIRANDOLE_ADMIN_PORT", value_name = "PORT")]
    pub(crate) admin_port: Option<u16>,
    /// Who may administer: a name and a token (16 characters at least) on each line; without it whoever is on
    /// this machine
    #[arg(long, env = "GIRANDOLE_ADMIN_TOKEN_FILE", value_name = "FILE")]
    pub(crate) admin_token_file: Option<PathBuf>,
    /// The server's certificate chain (PEM), for TLS 1.3 on REST, gRPC and administration; reloaded when it changes
    #[arg(long, env = "GIRANDOLE_TLS_CERT", value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, env = "GIRANDOLE_TLS_KEY", value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
    /// The authorities (PEM) that sign clients' certificates, which are asked for then, and their revocation lists
    /// (CRL); reloaded when it changes
    #[arg(long, env = "GIRANDOLE_TLS_CLIENT_CA", value_name = "FILE")]
    pub(crate) tls_client_ca: Option<PathBuf>,
    /// Whether clients without a certificate are turned away [default: required]
    #[arg(long, env = "GIRANDOLE_TLS_CLIENT_AUTH", value_enum, value_name = "WHEN")]
    pub(crate) tls_client_auth: Option<ClientCertificates>,
    /// Who may do what, on all listeners (TOML): keys, tokens, certificates, roles, models, quotas; reloaded when it
    /// changes. Without it everybody may do everything
    #[arg(long, env = "GIRANDOLE_ACCESS_FILE", value_name = "FILE")]
    pub(crate) access_file: Option<PathBuf>,
    /// Serve beyond this machine without TLS [default: false]
    #[arg(long, env = "GIRANDOLE_INSECURE", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) insecure: Option<bool>,

    /// Seconds from the signal to the end at most; requests unanswered by then are cut off [default: 30]
    #[arg(long, env = "GIRANDOLE_EXIT_TIMEOUT_SECS", value_name = "SECS")]
    pub(crate) exit_timeout_secs: Option<u64>,
    /// Seconds of these that requests are still taken while readiness fails [default: 1]
    #[arg(long, env = "GIRANDOLE_SHUTDOWN_GRACE_SECS", value_name = "SECS")]
    pub(crate) shutdown_grace_secs: Option<u64>,
    /// How log lines look [default: text]
    #[arg(long, env = "GIRANDOLE_LOG_FORMAT", value_enum, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
    /// What is logged: a level such as info, or a filter such as girandole=debug [default: info]
    #[arg(long, env = "GIRANDOLE_LOG_LEVEL", value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
    /// As Triton's: 0 logs at info, 1 at debug, more at trace
    #[arg(long, env = "GIRANDOLE_LOG_VERBOSE", value_name = "LEVEL")]
    pub(crate) log_verbose: Option<u8>,
    /// Where every change of versions, traffic and settings is written down [default: audit.jsonl in the state
    /// directory, if there is one]
    #[arg(long, env = "GIRANDOLE_AUDIT_LOG", value_name = "FILE")]
    pub(crate) audit_log: Option<PathBuf>,
    /// Where requests are traced to, once tracing is switched on by its settings
    #[arg(long, env = "GIRANDOLE_TRACE_FILE", value_name = "FILE")]
    pub(crate) trace_file: Option<PathBuf>,

    /// Most bytes of one request's body, before and after it is unpacked [default: 67108864]
    #[arg(long, env = "GIRANDOLE_MAX_REQUEST_BYTES", value_name = "BYTES", help_heading = LIMITS)]
    pub(crate) max_request_bytes: Option<usize>,
    /// How many times its size a compressed body or gRPC message may unpack to, above 1 MiB [default: 200]
    #[arg(long, env = "GIRANDOLE_MAX_EXPANSION", value_name = "TIMES", help_heading = LIMITS)]
    pub(crate) max_expansion: Option<usize>,
    /// Most bytes of all requests that are being read or answered [default: 1073741824]
    #[arg(long, env = "GIRANDOLE_MAX_INFLIGHT_BYTES", value_name = "BYTES", help_heading = LIMITS)]
    pub(crate) max_inflight_bytes: Option<usize>,
    /// Most inputs, and most outputs, of one request; 4096 at most [default: 256]
    #[arg(long, env = "GIRANDOLE_MAX_REQUEST_TENSORS", value_name = "COUNT", help_heading = LIMITS)]
    pub(crate) max_request_tensors: Option<usize>,
    /// Most elements of one input [default: 67108864]
    #[arg(long, env = "GIRANDOLE_MAX_TENSOR_ELEMENTS", value_name = "COUNT", help_heading = LIMITS)]
    pub(crate) max_tensor_elements: Option<usize>,
    /// Most inference requests in work on each listener; more are refused [default: 8192]
    #[arg(long, env = "GIRANDOLE_MAX_REQUESTS", value_name = "COUNT", help_heading = LIMITS)]
    pub(crate) max_requests: Option<usize>,
    /// Most requests of one gRPC stream in work; more wait in the stream [default: 64]
    #[arg(long, env = "GIRANDOLE_MAX_STREAM_REQUESTS", value_name = "COUNT", help_heading = LIMITS)]
    pub(crate) max_stream_requests: Option<usize>,
    /// Most connections of each listener; more wait to be accepted [default: 10000]
    #[arg(long, env = "GIRANDOLE_MAX_CONNECTIONS", value_name = "COUNT", help_heading = LIMITS)]
    pub(crate) max_connections: Option<usize>,
    /// Most HTTP/2 streams of one connection [default: 1024]
    #[arg(long, env = "GIRANDOLE_MAX_CONNECTION_STREAMS", value_name = "COUNT", help_heading = LIMITS)]
    pub(crate) max_connection_streams: Option<u32>,
    /// HTTP/2 streams that a client may open and reset unseen before it is disconnected [default: 64]
    #[arg(long, env = "GIRANDOLE_MAX_CONNECTION_RESETS", value_name = "COUNT", help_heading = LIMITS)]
    pub(crate) max_connection_resets: Option<usize>,
    /// Most TLS handshakes at once on each listener; more wait [default: 256]
    #[arg(long, env = "GIRANDOLE_MAX_HANDSHAKES", value_name = "COUNT", help_heading = LIMITS)]
    pub(crate) max_handshakes: Option<usize>,
    /// Seconds that a TLS handshake may take [default: 10]
    #[arg(long, env = "GIRANDOLE_HANDSHAKE_TIMEOUT_SECS", value_name = "SECS", help_heading = LIMITS)]
    pub(crate) handshake_timeout_secs: Option<u64>,
    /// Seconds that a request's head may take, from the connection or the answer before it [default: 60]
    #[arg(long, env = "GIRANDOLE_HEADER_TIMEOUT_SECS", value_name = "SECS", help_heading = LIMITS)]
    pub(crate) header_timeout_secs: Option<u64>,
    /// Seconds that a request's body may take; a gRPC stream may take as long as it likes [default: 300]
    #[arg(long, env = "GIRANDOLE_BODY_TIMEOUT_SECS", value_name = "SECS", help_heading = LIMITS)]
    pub(crate) body_timeout_secs: Option<u64>,
}
