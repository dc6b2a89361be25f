//! `girandole`: a high-performance model server. Parses the command line and runs one command.
#![forbid(unsafe_code)]

mod admin_client;
mod app;
mod audit;
mod cli;
mod commands;
mod config;
mod gpus;
mod logging;
mod memory;
mod metrics;
mod model_file;
mod shutdown;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(options) => commands::serve::run(*options),
        Command::Check(options) => commands::check::run(&options),
        Command::Inspect(options) => commands::inspect::run(&options),
        Command::Infer(options) => commands::infer::run(&options),
        Command::Bench(options) => commands::bench::run(&options),
        Command::Seal(options) => commands::seal::run(&options),
        Command::Encrypt(options) => commands::encrypt::run(&options),
        Command::Certs(options) => commands::certs::run(&options),
        Command::Access(options) => commands::access::run(&options),
        Command::Traffic(options) => commands::traffic::run(&options),
        Command::Audit(options) => commands::audit::run(&options),
    };
    outcome.unwrap_or_else(|failure| {
        eprintln!("girandole: {failure}");
        ExitCode::FAILURE
    })
}
