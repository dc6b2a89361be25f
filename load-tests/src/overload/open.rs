//! Requests that come when they are due, whatever the server does with those before them (Schroeder et al., "Open
//! versus closed: a cautionary tale", NSDI 2006).
//!
//! Invariant: a request's time counts from when it was due, so that one that had to wait for a connection is not made
//! to look good.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use futures::future::try_join_all;
use tokio::sync::{Mutex, mpsc};

use super::tally::Tally;
use crate::{
    Result,
    questions::{Asker, Questions},
};

/// Which request is due, and when.
type Due = (usize, Instant);

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Callers {
    /// Requests that can be out at once.
    pub(crate) connections: usize,
    /// How long one waits for a connection before it gives up.
    pub(crate) patience: Duration,
    /// Until when an answer is worth something.
    pub(crate) deadline: Duration,
}

/// Asks by a schedule.
pub(crate) async fn offer(
    questions: &Arc<Questions>,
    schedule: Vec<Duration>,
    callers: Callers,
) -> Result<Tally> {
    let askers = try_join_all((0..callers.connections).map(|_| questions.asker())).await?;
    let (announce, due) = mpsc::unbounded_channel();
    let due = Arc::new(Mutex::new(due));
    let asking: Vec<_> =
        askers.into_iter().map(|asker| tokio::spawn(ask(asker, due.clone(), callers))).collect();
    // Not a task: the runtime's timer looks at the clock each millisecond only.
    let calling = thread::spawn(move || call(&schedule, &announce));
    let tallies = try_join_all(asking).await?.into_iter().collect::<Result<Vec<_>>>()?;
    calling.join().map_err(|_| "the schedule's thread failed")?;
    Ok(Tally::sum(tallies))
}

/// Announces each request when it is due.
fn call(schedule: &[Duration], announce: &mpsc::UnboundedSender<Due>) {
    let begin = Instant::now();
    for (number, after) in schedule.iter().enumerate() {
        let due = begin + *after;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if announce.send((number, due)).is_err() {
            return;
        }
    }
}

/// Takes the next request whenever the connection is free.
async fn ask(
    mut asker: Asker,
    due: Arc<Mutex<mpsc::UnboundedReceiver<Due>>>,
    callers: Callers,
) -> Result<Tally> {
    let mut tally = Tally::default();
    loop {
        let next = due.lock().await.recv().await;
        let Some((number, due)) = next else { return Ok(tally) };
        let behind = due.elapsed();
        tally.behind.push(behind);
        if behind > callers.patience {
            tally.unsent += 1;
            continue;
        }
        let sent = Instant::now();
        let reply = asker.ask(number).await?;
        tally.note(reply, (due, sent), callers.deadline);
    }
}
