//! What dynamic batching gains: the same server and model, with batching and without, in turn.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::{
    Options, Result,
    client::Protocol,
    measure::{Load, Measurement, median},
    server::{self, Server},
    subject::Subject,
};

const WITHOUT: &str = "max_batch_size: 32\n";

/// Prints both ways for each number of clients, and how many times the requests batching answers.
pub(crate) async fn run(
    options: &Options,
    subject: Subject,
    delay_us: u64,
    repository: Option<PathBuf>,
) -> Result {
    let from = subject.file(repository.as_deref());
    let with = format!("{WITHOUT}dynamic_batching {{ max_queue_delay_microseconds: {delay_us} }}\n");
    let [with, without] = [configured(&from, subject, &with)?, configured(&from, subject, WITHOUT)?];
    let workload = subject.workload()?;
    println!("| clients | batching | requests/s | p50 ms | p99 ms | server CPU µs a request |");
    println!("|---|---|---|---|---|---|");
    for &clients in &options.clients {
        let load =
            Load { protocol: Protocol::Grpc, workload: &workload, clients, duration: options.duration() };
        let mut found = [Vec::new(), Vec::new()];
        for _ in 0..options.rounds {
            for (repository, found) in [&with, &without].into_iter().zip(&mut found) {
                let server = Server::start(&options.girandole, repository.path()).await?;
                found.push(load.measure(&server).await?);
            }
        }
        let [Some(on), Some(off)] = found.map(median) else { continue };
        print(clients, "on", &on);
        print(clients, "off", &off);
        println!("| {clients} | **on / off** | **{:.2}** | | | |", on.requests_per_s / off.requests_per_s);
    }
    Ok(())
}

/// A repository with version 1 of a model under another configuration.
fn configured(from: &Path, subject: Subject, config: &str) -> Result<TempDir> {
    server::repository(subject.model(), from, config)
}

fn print(clients: usize, batching: &str, row: &Measurement) {
    let [p50, p99] = [row.p50, row.p99].map(|took| took.as_secs_f64() * 1e3);
    let cpu = row.server_cpu.as_micros();
    println!("| {clients} | {batching} | {:.0} | {p50:.2} | {p99:.2} | {cpu} |", row.requests_per_s);
}
