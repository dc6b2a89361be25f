//! Asks for a while, and says how long the answers took.

use std::time::{Duration, Instant};

use futures::future::try_join_all;

use crate::{
    Result,
    client::{Client, Protocol},
    server::Server,
    workload::Workload,
};

/// What a while of asking showed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measurement {
    pub(crate) requests_per_s: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// Processor time of the server, by request.
    pub(crate) server_cpu: Duration,
}

/// Who asks what, and for how long.
pub(crate) struct Load<'a> {
    pub(crate) protocol: Protocol,
    pub(crate) workload: &'a Workload,
    pub(crate) clients: usize,
    pub(crate) duration: Duration,
}

impl Load<'_> {
    /// Asks the server; a fifth of the time before counts for nothing.
    pub(crate) async fn measure(&self, server: &Server) -> Result<Measurement> {
        let connecting = (0..self.clients).map(|_| Client::connect(server, self.protocol, self.workload));
        let mut clients = try_join_all(connecting).await?;
        ask(&mut clients, self.duration / 5).await?;
        let (begin, processor) = (Instant::now(), server.processor_seconds()?);
        let mut took = ask(&mut clients, self.duration).await?;
        let (elapsed, processor) = (begin.elapsed(), server.processor_seconds()? - processor);
        took.sort_unstable();
        let count = took.len() as f64;
        Ok(Measurement {
            requests_per_s: count / elapsed.as_secs_f64(),
            p50: percentile(&took, 0.5),
            p99: percentile(&took, 0.99),
            server_cpu: Duration::from_secs_f64(processor / count.max(1.0)),
        })
    }
}

/// Every client asks, one request after another, until the time is over.
async fn ask(clients: &mut [Client], duration: Duration) -> Result<Vec<Duration>> {
    let until = Instant::now() + duration;
    let asking = clients.iter_mut().map(|client| async move {
        let mut took = Vec::new();
        while Instant::now() < until {
            let begin = Instant::now();
            client.call().await?;
            took.push(begin.elapsed());
        }
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(took)
    });
    Ok(try_join_all(asking).await?.concat())
}

/// The value that this share of the sorted ones does not exceed.
pub(crate) fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let index = ((sorted.len() as f64 * share).ceil() as usize).max(1) - 1;
    sorted.get(index).or_else(|| sorted.last()).copied().unwrap_or_default()
}

/// In milliseconds.
pub(crate) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// The middle one by requests a second.
pub(crate) fn median(mut all: Vec<Measurement>) -> Option<Measurement> {
    all.sort_by(|a, b| a.requests_per_s.total_cmp(&b.requests_per_s));
    all.get(all.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_rank() {
        let sorted: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(percentile(&sorted, 0.5), Duration::from_millis(50));
        assert_eq!(percentile(&sorted, 0.99), Duration::from_millis(99));
        assert_eq!(percentile(&[], 0.5), Duration::ZERO);
    }
}
