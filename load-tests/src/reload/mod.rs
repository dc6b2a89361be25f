//! What reloads cost: one model is replaced by its next version time and again while clients ask it and another
//! one at a steady rate, in turn with stretches without reloads.
//!
//! Every answer is checked: it must be the one of the version that it names. Latencies count from the moment at which
//! a request was due, so that one that had to wait for its predecessor is not made to look good.

mod asking;
mod repository;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::Args;
use futures::future::try_join_all;
use tokio::sync::watch;

use self::{
    asking::{Asking, Phase, Taken},
    repository::Repository,
};
use crate::{
    Result,
    measure::percentile,
    rest,
    server::{Holdings, Server},
    workload::Workload,
};

/// What is measured.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The server's binary
    #[arg(long, default_value = "target/release/girandole")]
    girandole: PathBuf,
    /// Reloads in all
    #[arg(long, default_value_t = 1000)]
    reloads: usize,
    /// Stretches that they are done in, each followed by as long a one without
    #[arg(long, default_value_t = 10)]
    rounds: usize,
    /// Milliseconds from the end of a reload to the next; 0 reloads without end
    #[arg(long, default_value_t = 100)]
    pause_ms: u64,
    /// Clients of each model
    #[arg(long, default_value_t = 4)]
    clients: usize,
    /// Requests a second of each client
    #[arg(long, default_value_t = 50.0)]
    rate: f64,
}

/// Reloads whose memory counts as getting up to speed.
const FIRST: usize = 20;

/// Prints the latencies with and without reloads, and what the server holds.
///
/// # Errors
/// The first request that failed or was answered by a mixture of versions.
pub(crate) async fn run(options: &Options) -> Result {
    let mut repository = Repository::new()?;
    let arguments =
        ["--model-control-mode", "explicit", "--load-model", "congestion", "--load-model", "churn"];
    let server = Server::start_with(&options.girandole, repository.path(), &arguments).await?;
    let (phase, phases) = watch::channel(Phase::Settling);
    let every = Duration::from_secs_f64(1.0 / options.rate);
    let turns = u32::try_from(2 * options.clients)?;
    let asking = |turn: u32, workload: &Workload, versions| Asking {
        address: server.rest.clone(),
        workload: workload.clone(),
        versions,
        every,
        after: every * turn / turns,
        phase: phases.clone(),
    };
    let (reloaded, other) = (repository.reloaded()?, repository.other()?);
    let clients = (0..turns).map(|turn| match turn % 2 {
        0 => asking(turn, &reloaded, Some(repository.answers())),
        _ => asking(turn, &other, None),
    });
    let clients = clients.map(|client| tokio::spawn(client.run()));
    let clients: Vec<_> = clients.collect();
    let held = stretches(options, &server, &mut repository, &phase).await?;
    phase.send(Phase::Over)?;
    let taken = try_join_all(clients).await?.into_iter().collect::<Result<Vec<_>>>()?;
    let (of_reloaded, of_other): (Vec<_>, Vec<_>) =
        taken.into_iter().enumerate().partition(|(index, _)| index % 2 == 0);
    println!(
        "| model | requests | without reloads p50 ms | p99 ms | while reloading p50 ms | p99 ms | ratio of p99 |"
    );
    println!("|---|---|---|---|---|---|---|");
    print("reloaded", of_reloaded);
    print("another", of_other);
    println!(
        "\n{} reloads; 0 requests failed; every answer was that of the version it named",
        options.reloads
    );
    print_held(&held);
    Ok(())
}

/// Reloads and rests in turn; what the server held after each reload.
async fn stretches(
    options: &Options,
    server: &Server,
    repository: &mut Repository,
    phase: &watch::Sender<Phase>,
) -> Result<Vec<Holdings>> {
    let mut held = Vec::with_capacity(options.reloads);
    let each = options.reloads.div_ceil(options.rounds.max(1));
    for _ in 0..FIRST {
        repository.reload(&server.rest).await?;
        held.push(server.holdings()?);
    }
    while held.len() < options.reloads + FIRST {
        phase.send(Phase::Reloading)?;
        let begin = Instant::now();
        for _ in 0..each.min(options.reloads + FIRST - held.len()) {
            repository.reload(&server.rest).await?;
            held.push(server.holdings()?);
            tokio::time::sleep(Duration::from_millis(options.pause_ms)).await;
        }
        phase.send(Phase::Steady)?;
        tokio::time::sleep(begin.elapsed()).await;
    }
    Ok(held)
}

fn print(name: &str, taken: Vec<(usize, Taken)>) {
    let (mut steady, mut reloading) = (Vec::new(), Vec::new());
    for (_, one) in taken {
        steady.extend(one.steady);
        reloading.extend(one.reloading);
    }
    let ms = |all: &mut Vec<Duration>, share| {
        all.sort_unstable();
        percentile(all, share).as_secs_f64() * 1e3
    };
    let [a, b] = [0.5, 0.99].map(|share| ms(&mut steady, share));
    let [c, d] = [0.5, 0.99].map(|share| ms(&mut reloading, share));
    let requests = steady.len() + reloading.len();
    println!("| {name} | {requests} | {a:.2} | {b:.2} | {c:.2} | {d:.2} | {:.2} |", d / b);
}

/// Growth is taken between the medians of both halves, as single looks at a busy process say little.
fn print_held(held: &[Holdings]) {
    let (first, rest) = held.split_at(FIRST.min(held.len()));
    let (early, late) = rest.split_at(rest.len() / 2);
    let [early, late] = [early, late].map(median);
    let range = |of: fn(&Holdings) -> usize| {
        let all = || first.iter().chain(rest).map(of);
        (all().min().unwrap_or(0), all().max().unwrap_or(0))
    };
    let resident: Vec<_> = rest.iter().map(|one| one.resident_kib).collect();
    let memory = (resident.iter().min().unwrap_or(&0), resident.iter().max().unwrap_or(&0));
    let (threads, descriptors) = (range(|one| one.threads), range(|one| one.descriptors));
    let growth = (late as f64 / early.max(1) as f64 - 1.0) * 100.0;
    println!(
        "resident memory after the first {FIRST}: median {early} KiB in the first half, {late} KiB in the second \
         ({growth:+.2} %), {} to {}; \
         threads {} to {}, descriptors {} to {}",
        memory.0, memory.1, threads.0, threads.1, descriptors.0, descriptors.1
    );
}

fn median(stretch: &[Holdings]) -> usize {
    let mut resident: Vec<_> = stretch.iter().map(|one| one.resident_kib).collect();
    resident.sort_unstable();
    resident.get(resident.len() / 2).copied().unwrap_or(0)
}

/// Loads what the repository holds now.
async fn load(address: &str, model: &str) -> Result {
    rest::post(address, &format!("/v2/repository/models/{model}/load")).await
}
