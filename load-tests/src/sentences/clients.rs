//! A table: clients that have one sentence outstanding each, by what all of them get.

use super::{Encoder, NAME, closed};
use crate::{
    Options, Result,
    measure::{Measurement, median, ms},
    server::Server,
};

/// Prints it, and gives each number of clients with what they got.
pub(super) async fn run(
    options: &Options,
    encoder: &Encoder,
    server: &Server,
) -> Result<Vec<(usize, Measurement)>> {
    println!("| clients | sentences/s | p50 ms | p99 ms | server CPU µs a request |");
    println!("|---|---|---|---|---|");
    let mut rows = Vec::new();
    for &clients in &options.clients {
        let mut found = Vec::new();
        for _ in 0..options.rounds {
            found.push(closed(options, encoder, (server, NAME), clients).await?);
        }
        let Some(row) = median(found) else { continue };
        let cpu = row.server_cpu.as_secs_f64() * 1e6;
        println!(
            "| {clients} | {:.0} | {:.3} | {:.3} | {cpu:.0} |",
            row.requests_per_s,
            ms(row.p50),
            ms(row.p99)
        );
        rows.push((clients, row));
    }
    Ok(rows)
}
