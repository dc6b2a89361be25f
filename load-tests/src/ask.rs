//! Asks any server that speaks HTTP/1.1 and answers in the Open Inference Protocol's JSON: the one client of all peers.
//!
//! Every answer must have the numbers of the first one, which whoever starts this has checked.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::Args;
use futures::future::try_join_all;
use serde_json::json;

use crate::{
    Result,
    measure::percentile,
    questions::{self, near},
    rest::RestClient,
};

/// What is asked.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where the server listens, as host:port
    #[arg(long)]
    address: String,
    /// The path of the request, such as /v2/models/churn/infer
    #[arg(long)]
    path: String,
    /// A file with the request's body, in JSON
    #[arg(long)]
    body: PathBuf,
    /// Clients at once
    #[arg(long, default_value_t = 1)]
    clients: usize,
    /// Seconds, after a fifth of it that counts for nothing
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// The clients' cores, as taskset lists them [default: any]
    #[arg(long)]
    cores: Option<String>,
}

/// Prints one line of JSON: requests, requests a second, p50 and p99 in milliseconds.
///
/// # Errors
/// The first request that failed, or whose answer differs.
pub(crate) async fn run(options: &Options) -> Result {
    if let Some(cores) = &options.cores {
        crate::server::stay_on(cores)?;
    }
    let body = std::fs::read(&options.body)?;
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        options.path,
        options.address,
        body.len()
    );
    let request = [head.as_bytes(), &body].concat();
    let mut first = RestClient::connect_with(&options.address, request.clone()).await?;
    let expected = questions::numbers(first.answer().await?).ok_or("an answer without outputs")?;
    let duration = Duration::from_secs_f64(options.seconds);
    let begin = Instant::now() + duration / 5;
    let asking = (0..options.clients).map(|_| {
        let client = RestClient::connect_with(&options.address, request.clone());
        ask(client, &expected, begin, begin + duration)
    });
    let mut took = try_join_all(asking).await?.concat();
    took.sort_unstable();
    let ms = |share| percentile(&took, share).as_secs_f64() * 1e3;
    println!(
        "{}",
        json!({
            "requests": took.len(),
            "requests_per_s": took.len() as f64 / duration.as_secs_f64(),
            "p50_ms": ms(0.5),
            "p99_ms": ms(0.99),
        })
    );
    Ok(())
}

async fn ask(
    client: impl Future<Output = Result<RestClient>>,
    expected: &[f32],
    begin: Instant,
    until: Instant,
) -> Result<Vec<Duration>> {
    let mut client = client.await?;
    let mut taken = Vec::new();
    loop {
        let sent = Instant::now();
        if sent >= until {
            return Ok(taken);
        }
        let response = client.answer().await?;
        let took = sent.elapsed();
        let numbers = questions::numbers(response).unwrap_or_default();
        if !near(&numbers, expected) {
            return Err(format!("expected {expected:?}, got {numbers:?}").into());
        }
        if sent >= begin {
            taken.push(took);
        }
    }
}
