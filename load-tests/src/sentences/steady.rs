//! Seven tenths of what the server gives at most, as sentences come by themselves: how much longer the slowest wait.

use std::time::Duration;

use super::{Encoder, NAME};
use crate::{
    Options, Result,
    client::Protocol,
    measure::{ms, percentile},
    overload::{Callers, offer, poisson},
    questions::{Questions, Terms},
    server::Server,
    workload::Workload,
};

/// The part of the most that is asked.
const PART: f64 = 0.7;
/// Times the median that the slowest of a hundred may take.
const SLOWEST: f64 = 3.0;
/// Answers of half precision differ so much between batches of different sizes.
const TOLERANCE: f32 = 2e-2;
/// Nobody is to give up.
const PATIENCE: Duration = Duration::from_secs(30);
/// More than are ever out at once, below the most.
const CONNECTIONS: usize = 512;

/// Prints a line.
pub(super) async fn run(options: &Options, encoder: &Encoder, server: &Server, most: f64) -> Result {
    let workload = Workload::sentence(NAME, encoder.tokens);
    let terms = Terms { tolerance: TOLERANCE, ..Terms::default() };
    let questions = Questions::of(&workload, Protocol::Grpc, server, terms).await?;
    let schedule = poisson(most * PART, options.duration(), 1);
    let callers = Callers { connections: CONNECTIONS, patience: PATIENCE, deadline: PATIENCE };
    let tally = offer(&questions, schedule, callers).await?;
    if let Some(wrong) = tally.wrong.first() {
        return Err(format!("{} wrong answers, the first: {wrong}", tally.wrong.len()).into());
    }
    let [p50, p99] = [0.5, 0.99].map(|share| ms(percentile(&tally.in_time, share)));
    println!(
        "At {PART} of the most, as sentences come by themselves: p50 {p50:.3} ms, p99 {p99:.3} ms, {:.1} times as long \
         (aim: below {SLOWEST}); {} refused.",
        p99 / p50,
        tally.refused.len()
    );
    Ok(())
}
