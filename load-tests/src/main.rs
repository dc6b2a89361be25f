//! `girandole-load`: starts the server, asks it for some seconds, prints a table.
//!
//! Clients and server share the machine, so compare only figures of one run: they are taken in turn, in
//! several rounds, and the median of the rounds is what is printed.
#![forbid(unsafe_code)]

mod ask;
mod batching;
mod client;
mod grpc;
mod measure;
mod overhead;
mod overload;
mod questions;
mod reload;
mod rest;
mod sentences;
mod server;
mod subject;
mod workload;

use std::{error::Error, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, Parser, Subcommand};

/// The result of everything here: failures are for people to read.
pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Load for a girandole server.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What the server itself costs a request: an identity model over REST (JSON, binary) and gRPC
    Overhead(Options),
    /// What dynamic batching gains: single rows of many clients, with batching and without
    Batching {
        #[command(flatten)]
        options: Options,
        /// The model
        #[arg(long, default_value = "churn")]
        model: subject::Subject,
        /// Microseconds that a request may wait for company where batching is on
        #[arg(long, default_value_t = 0)]
        delay_us: u64,
        /// Where the model lies [default: model-repo, or target/real-models for minilm]
        #[arg(long)]
        repository: Option<PathBuf>,
    },
    /// Sentences to an encoder, on a GPU or not: single rows of many clients over gRPC
    Sentences {
        #[command(flatten)]
        options: Options,
        #[command(flatten)]
        encoder: sentences::Encoder,
    },
    /// What reloads cost those who ask meanwhile: one model is reloaded time and again, in turn with pauses
    Reload(reload::Options),
    /// What comes through when more is asked than can be answered: a schedule made beforehand, whatever the server does
    Overload(overload::Options),
    /// Any server that answers in the Open Inference Protocol's JSON: for peers/run.py
    Ask(ask::Options),
}

/// What all measurements share.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The server's binary
    #[arg(long, default_value = "target/release/girandole")]
    pub(crate) girandole: PathBuf,
    /// Clients at once
    #[arg(long, value_delimiter = ',', default_value = "1,32")]
    pub(crate) clients: Vec<usize>,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 3.0)]
    pub(crate) seconds: f64,
    /// Rounds; the median counts
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,
}

impl Options {
    pub(crate) fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Overhead(options) => overhead::run(&options).await,
        Command::Batching { options, model, delay_us, repository } => {
            batching::run(&options, model, delay_us, repository).await
        }
        Command::Sentences { options, encoder } => sentences::run(&options, &encoder).await,
        Command::Reload(options) => reload::run(&options).await,
        Command::Overload(options) => overload::run(&options).await,
        Command::Ask(options) => ask::run(&options).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("girandole-load: {error}");
            ExitCode::FAILURE
        }
    }
}
