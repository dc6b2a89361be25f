//! Sentences to an encoder: what one server gives to many clients, each of which has one outstanding.

use std::path::PathBuf;

use clap::Args;

use crate::{
    Options, Result,
    client::Protocol,
    measure::{Load, median},
    server::{self, Server},
    workload::Workload,
};

/// The encoder, and how it is served.
#[derive(Debug, Args)]
pub(crate) struct Encoder {
    /// Its file: input_ids, attention_mask and token_type_ids in
    #[arg(long)]
    model: PathBuf,
    /// Tokens of a sentence
    #[arg(long, default_value_t = 128)]
    tokens: u16,
    /// The first GPU instead of the CPU
    #[arg(long)]
    gpu: bool,
    /// What a GPU keeps numbers as
    #[arg(long, default_value = "fp16")]
    precision: String,
    /// Sessions
    #[arg(long, default_value_t = 2)]
    instances: usize,
    /// The most sentences of a batch
    #[arg(long, default_value_t = 128)]
    batch: usize,
}

const NAME: &str = "encoder";

/// Prints a row for each number of clients.
pub(crate) async fn run(options: &Options, encoder: &Encoder) -> Result {
    let repository = server::repository(NAME, &encoder.model, &encoder.config())?;
    let workload = Workload::sentence(NAME, encoder.tokens);
    println!("| clients | sentences/s | p50 ms | p99 ms | server CPU µs a request |");
    println!("|---|---|---|---|---|");
    let server = Server::start(&options.girandole, repository.path()).await?;
    for &clients in &options.clients {
        let load =
            Load { protocol: Protocol::Grpc, workload: &workload, clients, duration: options.duration() };
        let mut found = Vec::new();
        for _ in 0..options.rounds {
            found.push(load.measure(&server).await?);
        }
        let Some(row) = median(found) else { continue };
        let ms = |duration: std::time::Duration| duration.as_secs_f64() * 1e3;
        println!(
            "| {clients} | {:.0} | {:.3} | {:.3} | {:.0} |",
            row.requests_per_s,
            ms(row.p50),
            ms(row.p99),
            row.server_cpu.as_secs_f64() * 1e6
        );
    }
    Ok(())
}

impl Encoder {
    fn config(&self) -> String {
        let Self { batch, instances, precision, .. } = self;
        let kind = if self.gpu { "kind: KIND_GPU gpus: [ 0 ]" } else { "kind: KIND_CPU" };
        let precision = if self.gpu {
            format!("parameters {{ key: \"precision\" value {{ string_value: \"{precision}\" }} }}\n")
        } else {
            String::new()
        };
        format!(
            "max_batch_size: {batch}\ndynamic_batching {{ max_queue_delay_microseconds: 0 }}\n\
             instance_group {{ count: {instances} {kind} }}\n{precision}"
        )
    }
}
