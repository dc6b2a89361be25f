//! The command line: what can be said, and the help that says so.

use std::{path::PathBuf, time::SystemTime};

use clap::{Args, Parser, Subcommand};
use girandole_core::{DeviceKind, Placement};

use crate::config::ServeOptions;

/// A high-performance model server: a directory of models in, gRPC and REST over TLS 1.3 out.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the models of a repository over REST, gRPC and TLS
    Serve(Box<ServeOptions>),
    /// Say which models of a repository would load, and why the others would not
    Check(CheckOptions),
    /// Show a model's inputs, outputs, operators and memory
    Inspect(InspectOptions),
    /// Run a model on an input file, without a server
    Infer(InferOptions),
    /// Measure a model's latency and throughput by batch size
    Bench(BenchOptions),
    /// Write SHA256SUMS for a model's versions, so that servers load nothing else
    Seal(SealOptions),
    /// Make a development certificate authority and a server certificate
    Certs(CertsOptions),
    /// See and change where a model's requests go, on a running server
    Traffic(TrafficOptions),
    /// Read an audit log, and find out whether anybody changed it
    Audit(AuditOptions),
}

#[derive(Debug, Args)]
pub(crate) struct CheckOptions {
    /// A repository: a directory of models
    #[arg(required = true)]
    pub(crate) repository: Vec<PathBuf>,
    /// Infer nothing: every model needs a complete config.pbtxt
    #[arg(long)]
    pub(crate) strict_model_config: bool,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InspectOptions {
    /// A model file, or a folder with model.onnx, or a model of a repository (its newest version)
    pub(crate) model: PathBuf,
    /// Show what a GPU would run, and which operators would stay on the host; needs no GPU
    #[arg(long)]
    pub(crate) gpu: bool,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InferOptions {
    /// A model file, or a folder with model.onnx, or a model of a repository (its newest version)
    pub(crate) model: PathBuf,
    /// The body of an Open Inference Protocol request as JSON; `-` reads standard input
    pub(crate) input: PathBuf,
    /// Processor threads [default: all]
    #[arg(long)]
    pub(crate) threads: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct BenchOptions {
    /// A model file, or a folder with model.onnx, or a model of a repository (its newest version)
    pub(crate) model: PathBuf,
    /// Batch sizes
    #[arg(long, value_delimiter = ',', default_value = "1")]
    pub(crate) batch: Vec<usize>,
    /// Processor threads [default: all]
    #[arg(long)]
    pub(crate) threads: Option<usize>,
    /// The size of a free dimension by its name; repeat for more. Other free dimensions are 1
    #[arg(long = "dim", value_name = "NAME=SIZE", value_parser = dimension)]
    pub(crate) dims: Vec<(String, usize)>,
    /// Where to run: cpu, or gpu:N for a GPU by its number
    #[arg(long, default_value = "cpu", value_parser = device)]
    pub(crate) device: Placement,
    /// What a GPU keeps and multiplies f32 as: fp32, tf32, fp16 or bf16 [default: fp32]
    #[arg(long)]
    pub(crate) precision: Option<String>,
    /// Runs the inputs of a folder in the form of ONNX's test data (input_0.pb, output_0.pb, ...) once, instead of
    /// made-up ones, and says how far the outputs are from those there
    #[arg(long, value_name = "FOLDER", conflicts_with = "batch")]
    pub(crate) io: Option<PathBuf>,
    /// Seconds to measure each batch size
    #[arg(long, default_value_t = 3.0)]
    pub(crate) seconds: f64,
    /// Print one JSON object a line, one for each batch size
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SealOptions {
    /// A model of a repository (all its versions), or one version's folder
    #[arg(required = true)]
    pub(crate) folder: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CertsOptions {
    /// Where to write ca.pem, server.pem and server-key.pem
    #[arg(default_value = "certs")]
    pub(crate) folder: PathBuf,
    /// Names and addresses that the server certificate is for; repeat for more
    #[arg(long = "name", default_values = ["localhost", "127.0.0.1", "::1"])]
    pub(crate) names: Vec<String>,
    /// Write over files that are there
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TrafficOptions {
    #[command(subcommand)]
    pub(crate) command: TrafficCommand,
    #[command(flatten)]
    pub(crate) server: AdminServer,
    /// Print one JSON document
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// Where a server is administered.
#[derive(Debug, Args)]
pub(crate) struct AdminServer {
    /// The server's listener for administration
    #[arg(
        long,
        global = true,
        env = "GIRANDOLE_SERVER",
        value_name = "URL",
        default_value = "http://127.0.0.1:8003"
    )]
    pub(crate) server: String,
    /// A file with the token to show; of a line with a name and a token, the token
    #[arg(long, global = true, env = "GIRANDOLE_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// The certificates (PEM) of the authorities to trust; https needs it
    #[arg(long, global = true, env = "GIRANDOLE_CA", value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TrafficCommand {
    /// Show where requests go, and how the arms of the split do
    Show {
        model: String,
        /// Show it every second, until interrupted
        #[arg(long)]
        watch: bool,
    },
    /// Set the weights of the split's arms, all of them: `set forecast stable=90 canary=10`
    Set {
        model: String,
        #[arg(required = true, value_name = "ARM=WEIGHT", value_parser = weight)]
        weights: Vec<(String, f64)>,
    },
    /// Begin the rollout anew, after it ended or was taken back
    Start { model: String },
    /// Leave the rollout at its step; guards still take it back
    Pause { model: String },
    /// Let the rollout go on after a pause
    Resume { model: String },
    /// Go to the rollout's next step now, whatever this one waits for
    Promote {
        model: String,
        /// Leave all steps out: the canary gets everything
        #[arg(long)]
        full: bool,
    },
    /// Take the rollout back: the canary gets nothing
    Abort { model: String },
}

#[derive(Debug, Args)]
pub(crate) struct AuditOptions {
    #[command(subcommand)]
    pub(crate) command: AuditCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Check every line and the chain over all files; exits with 1 where anything was changed, removed or moved
    Verify {
        /// The log that is being written; full ones beside it belong to it
        file: PathBuf,
        /// The hash of an entry that must be there, such as the head that an earlier check told
        #[arg(long, value_name = "HASH")]
        contains: Option<String>,
        /// Older files may have been taken away
        #[arg(long)]
        allow_missing_start: bool,
    },
    /// Show the entries
    Show {
        /// The log that is being written; full ones beside it belong to it
        file: PathBuf,
        /// Those of this model only
        #[arg(long)]
        model: Option<String>,
        /// Those since a moment (2026-01-02T03:04:05Z), or of so long until now (90m, 2days)
        #[arg(long, value_name = "TIME", value_parser = since)]
        since: Option<SystemTime>,
        /// Print them as they are in the file
        #[arg(long)]
        json: bool,
    },
}

fn weight(text: &str) -> Result<(String, f64), String> {
    let (arm, weight) = text.split_once('=').ok_or("expected ARM=WEIGHT, such as canary=10")?;
    let number = weight.parse().ok().filter(|weight: &f64| weight.is_finite() && *weight >= 0.0);
    Ok((arm.to_owned(), number.ok_or_else(|| format!("'{weight}' is no weight: 0 or more"))?))
}

fn since(text: &str) -> Result<SystemTime, String> {
    let ago = humantime::parse_duration(text).ok().and_then(|ago| SystemTime::now().checked_sub(ago));
    let moment = || humantime::parse_rfc3339_weak(text).ok();
    ago.or_else(moment).ok_or_else(|| format!("'{text}' is neither a moment nor a duration"))
}

fn device(text: &str) -> Result<Placement, String> {
    if text == "cpu" {
        return Ok(Placement::default());
    }
    let number = text.strip_prefix("gpu:").and_then(|number| number.parse().ok());
    let index = number.ok_or_else(|| format!("'{text}' is neither cpu nor gpu:N, such as gpu:0"))?;
    Ok(Placement { kind: DeviceKind::Gpu, index })
}

fn dimension(text: &str) -> Result<(String, usize), String> {
    let (name, size) = text.split_once('=').ok_or("expected NAME=SIZE, such as seq=128")?;
    let size = size.parse().map_err(|_| format!("'{size}' is no size"))?;
    Ok((name.to_owned(), size))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn tritons_flags_are_taken() {
        let line = "girandole serve --model-repository a --model-repository=b --http-port 0 --http-address 0.0.0.0 \
            --grpc-port=9 --grpc-address ::1 --metrics-port 7 --model-control-mode explicit --load-model x \
            --load-model y --repository-poll-secs 3 --exit-timeout-secs 4 --strict-model-config=true --log-verbose 1";
        let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
        let Command::Serve(options) = cli.command else { panic!("not serve") };
        assert_eq!(options.model_repository, [PathBuf::from("a"), PathBuf::from("b")]);
        assert_eq!(options.load_model, ["x", "y"]);
        assert_eq!(options.strict_model_config, Some(true));
    }

    #[test]
    fn devices_are_the_processor_and_numbered_gpus() {
        assert_eq!(device("cpu"), Ok(Placement::default()));
        assert_eq!(device("gpu:2"), Ok(Placement { kind: DeviceKind::Gpu, index: 2 }));
        assert!(device("gpu").is_err());
    }

    #[test]
    fn weights_are_names_and_numbers() {
        assert_eq!(weight("canary=2.5"), Ok(("canary".into(), 2.5)));
        for wrong in ["canary", "canary=x", "canary=-1", "canary=inf"] {
            assert!(weight(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_time_is_a_moment_or_a_duration() {
        let day = humantime::parse_rfc3339("2026-01-02T00:00:00Z").unwrap();
        assert_eq!(since("2026-01-02 00:00:00"), Ok(day));
        assert!(since("1h").unwrap() < SystemTime::now());
        assert!(since("yesterday").is_err());
    }

    #[test]
    fn dimensions_are_names_and_sizes() {
        assert_eq!(dimension("seq=128"), Ok(("seq".into(), 128)));
        assert!(dimension("seq").is_err());
        assert!(dimension("seq=x").is_err());
    }
}
