//! The command line: what can be said, and the help that says so.

mod admin;
mod models;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use girandole_core::{DeviceKind, Placement};

pub(crate) use self::admin::{
    AccessCommand, AccessOptions, AdminServer, AuditCommand, AuditOptions, TrafficCommand, TrafficOptions,
};
pub(crate) use self::models::{CheckOptions, EncryptOptions, SealOptions};
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
    /// Write SHA256SUMS for a model's versions, so that servers load nothing else, and sign it
    Seal(SealOptions),
    /// Encrypt a version's files, so that only servers with the key can read them
    Encrypt(EncryptOptions),
    /// Make a development certificate authority and a server certificate
    Certs(CertsOptions),
    /// Make API keys, and find mistakes in an access file
    Access(AccessOptions),
    /// See and change where a model's requests go, on a running server
    Traffic(TrafficOptions),
    /// Read an audit log, and find out whether anybody changed it
    Audit(AuditOptions),
}

#[derive(Debug, Args)]
pub(crate) struct InspectOptions {
    /// A model file (ONNX or safetensors), or a folder with one, or a model of a repository (its newest version)
    pub(crate) model: PathBuf,
    /// Show what a GPU would run, which operators would stay on the host, and whether sequences are padded; needs no
    /// GPU
    #[arg(long)]
    pub(crate) gpu: bool,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InferOptions {
    /// A model file (ONNX or safetensors), or a folder with one, or a model of a repository (its newest version)
    pub(crate) model: PathBuf,
    /// The body of an Open Inference Protocol request as JSON; `-` reads standard input
    pub(crate) input: PathBuf,
    /// Processor threads [default: all]
    #[arg(long)]
    pub(crate) threads: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct BenchOptions {
    /// A model file (ONNX or safetensors), or a folder with one, or a model of a repository (its newest version)
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
pub(crate) struct CertsOptions {
    /// Where to write ca.pem, server.pem and server-key.pem
    #[arg(default_value = "certs")]
    pub(crate) folder: PathBuf,
    /// Names and addresses that the server certificate is for; repeat for more
    #[arg(long = "name", default_values = ["localhost", "127.0.0.1", "::1"])]
    pub(crate) names: Vec<String>,
    /// Also write client.pem and client-key.pem, a client's certificate of this name
    #[arg(long, value_name = "NAME")]
    pub(crate) client: Option<String>,
    /// Write over files that are there
    #[arg(long)]
    pub(crate) force: bool,
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
    fn dimensions_are_names_and_sizes() {
        assert_eq!(dimension("seq=128"), Ok(("seq".into(), 128)));
        assert!(dimension("seq").is_err());
        assert!(dimension("seq=x").is_err());
    }
}
