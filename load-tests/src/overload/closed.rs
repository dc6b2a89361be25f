//! How much a server gives at most: every client asks again as soon as it has its answer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::try_join_all;

use super::tally::Tally;
use crate::{Result, questions::Questions};

/// Right answers a second within the deadline, with so many clients. The first fifth of the time counts for nothing.
pub(super) async fn goodput(
    questions: &Arc<Questions>,
    clients: usize,
    deadline: Duration,
    duration: Duration,
) -> Result<f64> {
    let begin = Instant::now() + duration / 5;
    let until = begin + duration;
    let asking = (0..clients).map(|client| {
        let questions = questions.clone();
        tokio::spawn(async move {
            let (mut asker, mut tally) = (questions.asker().await?, Tally::default());
            let mut number = client;
            while Instant::now() < until {
                let sent = Instant::now();
                let reply = asker.ask(number).await?;
                if begin <= sent {
                    tally.note(reply, (sent, sent), deadline);
                }
                number += 1;
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(tally)
        })
    });
    let tallies = try_join_all(asking).await?.into_iter().collect::<Result<Vec<_>>>()?;
    let tally = Tally::sum(tallies);
    match tally.wrong.first() {
        Some(wrong) => Err(wrong.as_str().into()),
        None => Ok(tally.in_time.len() as f64 / duration.as_secs_f64()),
    }
}
