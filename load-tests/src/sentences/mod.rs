//! Sentences to an encoder: what one server gives to many clients, how long they wait when they do not take all of it,
//! how two models share it, and what of the engine's own speed comes through.

mod clients;
mod engine;
mod shared;
mod steady;

use std::path::PathBuf;

use clap::Args;

use crate::{
    Options, Result,
    client::Protocol,
    measure::{Load, Measurement},
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
    /// What its file calls the dimension of tokens
    #[arg(long, default_value = "sequence")]
    dimension: String,
    /// Sessions
    #[arg(long, default_value_t = 2)]
    instances: usize,
    /// The most sentences of a batch
    #[arg(long, default_value_t = 128)]
    batch: usize,
}

const NAME: &str = "encoder";

/// Prints a row for each number of clients, and a line for each other question.
pub(crate) async fn run(options: &Options, encoder: &Encoder) -> Result {
    let repository = server::repository(NAME, &encoder.model, &encoder.config())?;
    let server = Server::start(&options.girandole, repository.path()).await?;
    let served = clients::run(options, encoder, &server).await?;
    let Some((_, most)) =
        served.iter().max_by(|(_, a), (_, b)| a.requests_per_s.total_cmp(&b.requests_per_s))
    else {
        return Ok(());
    };
    println!();
    steady::run(options, encoder, &server, most.requests_per_s).await?;
    drop(server);
    shared::run(options, encoder).await?;
    engine::run(options, encoder, &served)
}

/// Clients that ask again as soon as they are answered.
async fn closed(
    options: &Options,
    encoder: &Encoder,
    (server, model): (&Server, &str),
    clients: usize,
) -> Result<Measurement> {
    let workload = Workload::sentence(model, encoder.tokens);
    let duration = options.duration();
    Load { protocol: Protocol::Grpc, workload: &workload, clients, duration }.measure(server).await
}

impl Encoder {
    const fn device(&self) -> &'static str {
        if self.gpu { "gpu:0" } else { "cpu" }
    }

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
