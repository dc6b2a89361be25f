//! Overload: how much still comes through when several times as much is asked as can be answered.
//!
//! First the capacity: clients that ask again as soon as they are answered, as many as give the most right answers
//! within the deadline. Then schedules of 1, 2, 3 times as many requests a second. Every answer is checked.
//!
//! A refusal costs the server nearly what a request costs it before the model. Where that is more than a twentieth of
//! the whole, no server can refuse twice its capacity beside nine tenths of it, so the default is a model that computes
//! for some milliseconds. With one that does not, the requests that wait for a connection are the queue, which no
//! server sees: `--patience-ms` bounds it.

mod closed;
mod open;
mod schedule;
mod tally;

use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use tempfile::TempDir;

use self::tally::{Tally, ms};
pub(crate) use self::{
    open::{Callers, offer},
    schedule::poisson,
};
use crate::{
    Result,
    client::Protocol,
    questions::{Questions, Terms},
    server::{self, Server},
    subject::Subject,
};

/// What is measured.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The server's binary
    #[arg(long, default_value = "target/release/girandole")]
    girandole: PathBuf,
    /// The model
    #[arg(long, default_value = "minilm")]
    model: Subject,
    /// Where the model lies [default: model-repo, or target/real-models for minilm]
    #[arg(long)]
    repository: Option<PathBuf>,
    /// Protocols
    #[arg(long, value_delimiter = ',', default_value = "rest-binary,grpc")]
    protocols: Vec<Protocol>,
    /// Milliseconds within which an answer is worth something: the deadline of a gRPC call; over REST half of it is the
    /// request's queue timeout
    #[arg(long, default_value_t = 1000)]
    deadline_ms: u64,
    /// Clients that ask again as soon as they are answered; the best number of them gives the capacity
    #[arg(long, value_delimiter = ',', default_value = "16,32")]
    clients: Vec<usize>,
    /// What is offered, in capacities
    #[arg(long, value_delimiter = ',', default_value = "1,2,3")]
    factors: Vec<f64>,
    /// Connections that requests come over
    #[arg(long, default_value_t = 512)]
    connections: usize,
    /// Milliseconds that a request waits for a connection before its caller gives up, as pools of connections bound it
    /// [default: --deadline-ms]
    #[arg(long)]
    patience_ms: Option<u64>,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Rounds; in each, the capacity is found anew
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// What the schedules are drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The server's cores, as taskset lists them [default: any]
    #[arg(long)]
    server_cores: Option<String>,
    /// The clients' cores [default: any]
    #[arg(long)]
    client_cores: Option<String>,
}

/// The part of the capacity that must come through, whatever is offered.
const GOODPUT: f64 = 0.9;
/// Within which 99 of 100 refusals must be there.
const REFUSAL: Duration = Duration::from_millis(5);

/// One offer of one round.
struct Row {
    factor: f64,
    offered: f64,
    /// Right answers in time a second, as a part of the capacity.
    goodput: f64,
    resident_kib: usize,
    tally: Tally,
}

/// Prints a table by protocol and what was offered.
///
/// # Errors
/// A wrong answer, and a goal that was missed.
pub(crate) async fn run(options: &Options) -> Result {
    if let Some(cores) = &options.client_cores {
        server::stay_on(cores)?;
    }
    let repository = options.repository()?;
    let cores = options.server_cores.as_deref();
    let mut missed = Vec::new();
    println!(
        "| protocol | offered | requests/s | goodput/s | of the capacity | p50 ms | p99 ms | late, unsent/s | \
         refused/s | p99 ms | resident MiB | client behind p99 ms |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    for &protocol in &options.protocols {
        let mut rows = Vec::new();
        for round in 0..options.rounds {
            let server = Server::start_on(&options.girandole, repository.path(), &[], cores).await?;
            rows.extend(options.round(&server, protocol, options.seed + round as u64).await?);
        }
        for &factor in &options.factors {
            let of_factor = rows.iter().filter(|row| row.factor == factor).collect();
            if let Some(row) = median(of_factor) {
                row.print(protocol, options.seconds);
                missed.extend(row.missed(protocol));
            }
        }
    }
    if missed.is_empty() { Ok(()) } else { Err(missed.join("\n").into()) }
}

impl Options {
    /// The model, batching without waiting, with a queue timeout of the caller's.
    fn repository(&self) -> Result<TempDir> {
        let file = self.model.file(self.repository.as_deref());
        let policy = "default_queue_policy { allow_timeout_override: true timeout_action: REJECT }";
        let config = format!("max_batch_size: 32\ndynamic_batching {{ {policy} }}\n");
        server::repository(self.model.model(), &file, &config)
    }

    async fn round(&self, server: &Server, protocol: Protocol, seed: u64) -> Result<Vec<Row>> {
        let deadline = Duration::from_millis(self.deadline_ms);
        let duration = Duration::from_secs_f64(self.seconds);
        let workload = self.model.workload()?.waiting(deadline / 2);
        let terms = Terms { deadline: Some(deadline), ..Terms::default() };
        let questions = Questions::of(&workload, protocol, server, terms).await?;
        let mut capacity = 0.0_f64;
        for &clients in &self.clients {
            capacity = capacity.max(closed::goodput(&questions, clients, deadline, duration).await?);
        }
        eprintln!("{}: capacity {capacity:.0} requests/s", protocol.name());
        let mut rows = Vec::new();
        for &factor in &self.factors {
            let schedule = poisson(capacity * factor, duration, seed);
            let offered = schedule.len() as f64 / self.seconds;
            let (tally, resident_kib) = self.offer(server, &questions, schedule).await?;
            if let Some(wrong) = tally.wrong.first() {
                return Err(format!("{} wrong answers, the first: {wrong}", tally.wrong.len()).into());
            }
            let goodput = tally.in_time.len() as f64 / self.seconds / capacity;
            eprintln!("{factor} x: {goodput:.2} of the capacity; refused {}", tally.statuses());
            rows.push(Row { factor, offered, goodput, resident_kib, tally });
        }
        Ok(rows)
    }

    /// What became of a schedule, and the most memory that the server held meanwhile.
    async fn offer(
        &self,
        server: &Server,
        questions: &Arc<Questions>,
        schedule: Vec<Duration>,
    ) -> Result<(Tally, usize)> {
        let callers = Callers {
            connections: self.connections,
            patience: Duration::from_millis(self.patience_ms.unwrap_or(self.deadline_ms)),
            deadline: Duration::from_millis(self.deadline_ms),
        };
        let offering = offer(questions, schedule, callers);
        let mut offering = std::pin::pin!(offering);
        let mut resident = 0;
        let mut look = tokio::time::interval(Duration::from_millis(100));
        loop {
            tokio::select! {
                tally = &mut offering => return Ok((tally?, resident)),
                _ = look.tick() => resident = resident.max(server.holdings()?.resident_kib),
            }
        }
    }
}

impl Row {
    fn print(&self, protocol: Protocol, seconds: f64) {
        let Self { factor, offered, goodput, resident_kib, tally } = self;
        let a_second = |count: usize| count as f64 / seconds;
        println!(
            "| {} | {factor} x | {offered:.0} | {:.0} | **{goodput:.2}** | {} | {} | {:.0}, {:.0} | {:.0} | {} | {} | {} |",
            protocol.name(),
            a_second(tally.in_time.len()),
            ms(&tally.in_time, 0.5),
            ms(&tally.in_time, 0.99),
            a_second(tally.late),
            a_second(tally.unsent),
            a_second(tally.refused.len()),
            ms(&tally.refused, 0.99),
            resident_kib / 1024,
            ms(&tally.behind, 0.99),
        );
    }

    /// The goals that it misses. At its capacity a server may be anywhere: there the queue is as long as chance has it.
    fn missed(&self, protocol: Protocol) -> Vec<String> {
        let at = format!("{} at {} times the capacity", protocol.name(), self.factor);
        let refusal = crate::measure::percentile(&self.tally.refused, 0.99);
        let mut missed = Vec::new();
        if self.factor > 1.0 && self.goodput < GOODPUT {
            missed.push(format!("{at}: goodput is {:.2} of it, expected {GOODPUT}", self.goodput));
        }
        if self.factor > 1.0 && refusal > REFUSAL {
            missed.push(format!("{at}: 99 of 100 refusals took {refusal:.1?}, expected {REFUSAL:?} at most"));
        }
        missed
    }
}

/// The middle one by goodput.
fn median(mut rows: Vec<&Row>) -> Option<&Row> {
    rows.sort_by(|a, b| a.goodput.total_cmp(&b.goodput));
    rows.get(rows.len() / 2).copied()
}
