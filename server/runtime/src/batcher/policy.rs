//! When to run what waits: a pure decision over what the queue shows.
//!
//! The rule is Triton's: a preferred size runs as soon as it is reached, a batch that cannot grow runs at
//! once, anything runs when its oldest request has waited for the queue delay. Without a delay a free
//! session takes what is there, as far as that [pays](super::appetite).

use std::time::{Duration, Instant};

use crate::settings::ModelSettings;

/// Why a batch was run when it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// It could not grow any more.
    Full,
    /// It had a preferred size.
    Preferred,
    /// Its oldest request had waited for the queue delay.
    Timeout,
    /// A session was free and nothing says to wait.
    Idle,
}

/// What to do with what waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Run the first so many of the candidates.
    Run(usize, Reason),
    /// Nothing yet; look again then, or when something comes in.
    WaitUntil(Instant),
    /// Nothing waits.
    Idle,
}

/// What a model wants of its batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BatchPolicy {
    /// Most rows of a batch.
    pub(crate) max_rows: usize,
    /// Every request runs alone, whatever its rows.
    pub(crate) alone: bool,
    /// Sizes in rows that are worth running at once, ascending.
    pub(crate) preferred: Vec<usize>,
    /// How long the oldest request of a batch may wait for company.
    pub(crate) delay: Duration,
    /// Never look past a request that does not fit, and answer in the order of the batches.
    pub(crate) preserve_ordering: bool,
}

/// What the queue shows: the requests that would make up the next batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// Rows of each candidate, in order; together at most as many as were asked for.
    pub(crate) rows: Vec<usize>,
    /// When the oldest candidate came in.
    pub(crate) oldest: Option<Instant>,
    /// One more like them waits but does not fit any more.
    pub(crate) more: bool,
    /// The next moment at which a waiting request expires.
    pub(crate) next_expiry: Option<Instant>,
    /// The version is being taken down: company will not come.
    pub(crate) draining: bool,
}

impl BatchPolicy {
    pub(crate) fn new(settings: &ModelSettings) -> Self {
        let batching = settings.batching.as_ref();
        Self {
            max_rows: settings.spec.max_batch_size.max(1),
            alone: batching.is_none() || !settings.spec.batches(),
            preferred: batching.map(|b| b.preferred_batch_sizes.clone()).unwrap_or_default(),
            delay: batching.map(|b| b.max_queue_delay).unwrap_or_default(),
            preserve_ordering: batching.is_some_and(|b| b.preserve_ordering),
        }
    }

    /// Whether nothing is said about the size of batches but how large they may be.
    pub(crate) fn takes_what_is_there(&self) -> bool {
        !self.alone && self.delay.is_zero() && self.preferred.is_empty()
    }
}

/// What to do now.
pub(crate) fn decide(view: &View, policy: &BatchPolicy, now: Instant) -> Decision {
    let Some(oldest) = view.oldest else { return Decision::Idle };
    let (count, rows) = (view.rows.len(), view.rows.iter().sum::<usize>());
    if policy.alone {
        return Decision::Run(1, Reason::Idle);
    }
    let full = view.more || rows >= policy.max_rows;
    let due = oldest.checked_add(policy.delay);
    if due.is_some_and(|due| now >= due) || view.draining {
        return Decision::Run(count, overdue_reason(policy, full, rows, view.draining));
    }
    if let Some(count) = preferred_prefix(&view.rows, &policy.preferred) {
        return Decision::Run(count, Reason::Preferred);
    }
    if full || policy.preferred.last().is_some_and(|&largest| rows >= largest) {
        return Decision::Run(count, Reason::Full);
    }
    // A delay too long to be added up is no delay that will ever end; look again now and then.
    let due = due.unwrap_or(now + Duration::from_secs(3600));
    Decision::WaitUntil(view.next_expiry.map_or(due, |expiry| expiry.min(due)))
}

/// Why a batch runs whose time has come: what it reached, else the delay if there was one.
fn overdue_reason(policy: &BatchPolicy, full: bool, rows: usize, draining: bool) -> Reason {
    match () {
        () if full => Reason::Full,
        () if policy.preferred.contains(&rows) => Reason::Preferred,
        () if policy.delay.is_zero() || draining => Reason::Idle,
        () => Reason::Timeout,
    }
}

/// How many candidates make up the largest preferred size.
fn preferred_prefix(rows: &[usize], preferred: &[usize]) -> Option<usize> {
    let mut sum = 0;
    let sums = rows.iter().map(|rows| {
        sum += rows;
        sum
    });
    sums.enumerate().filter(|(_, sum)| preferred.contains(sum)).last().map(|(i, _)| i + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_millis(10);

    fn policy(preferred: &[usize], delay: Duration) -> BatchPolicy {
        BatchPolicy {
            max_rows: 8,
            alone: false,
            preferred: preferred.to_vec(),
            delay,
            preserve_ordering: false,
        }
    }

    /// What is decided over these candidates, `waited` after the oldest came in; waits count from there too.
    fn decided(policy: &BatchPolicy, rows: &[usize], waited: Duration) -> Result<(usize, Reason), Duration> {
        let oldest = Instant::now();
        let view = View { rows: rows.to_vec(), oldest: Some(oldest), ..View::default() };
        match decide(&view, policy, oldest + waited) {
            Decision::Run(count, reason) => Ok((count, reason)),
            Decision::WaitUntil(at) => Err(at - oldest),
            Decision::Idle => panic!("something waits"),
        }
    }

    #[test]
    fn nothing_waiting_is_idle() {
        assert_eq!(decide(&View::default(), &policy(&[], DELAY), Instant::now()), Decision::Idle);
    }

    #[test]
    fn without_a_delay_everything_runs_at_once() {
        let policy = policy(&[4], Duration::ZERO);
        for (rows, expected) in [
            (&[1][..], (1, Reason::Idle)),
            (&[1, 1, 1], (3, Reason::Idle)),
            (&[3, 1], (2, Reason::Preferred)),
            (&[4, 1], (2, Reason::Idle)),
            (&[4, 4], (2, Reason::Full)),
        ] {
            assert_eq!(decided(&policy, rows, Duration::ZERO), Ok(expected), "{rows:?}");
        }
    }

    #[test]
    fn with_a_delay_the_batch_waits_for_company() {
        let (plain, preferring) = (policy(&[], DELAY), policy(&[2, 4], DELAY));
        let early = Duration::from_millis(1);
        for (policy, rows, expected) in [
            (&plain, &[1, 1][..], Err(DELAY)),
            (&plain, &[4, 4], Ok((2, Reason::Full))),
            (&preferring, &[1], Err(DELAY)),
            (&preferring, &[1, 1], Ok((2, Reason::Preferred))),
            (&preferring, &[1, 1, 1], Ok((2, Reason::Preferred))),
            (&preferring, &[1, 1, 1, 1, 1], Ok((4, Reason::Preferred))),
            (&preferring, &[3], Err(DELAY)),
            (&preferring, &[5], Ok((1, Reason::Full))),
        ] {
            assert_eq!(decided(policy, rows, early), expected, "{rows:?}");
        }
    }

    #[test]
    fn after_the_delay_everything_that_fits_runs() {
        let policy = policy(&[2], DELAY);
        assert_eq!(decided(&policy, &[1, 1, 1], DELAY), Ok((3, Reason::Timeout)));
        assert_eq!(decided(&policy, &[1], DELAY), Ok((1, Reason::Timeout)));
    }

    #[test]
    fn an_earlier_expiry_ends_the_wait() {
        let now = Instant::now();
        let expiry = now + Duration::from_millis(3);
        let view = View { rows: vec![1], oldest: Some(now), next_expiry: Some(expiry), ..View::default() };
        assert_eq!(decide(&view, &policy(&[], DELAY), now), Decision::WaitUntil(expiry));
    }

    #[test]
    fn a_batch_that_cannot_grow_or_drains_does_not_wait() {
        let now = Instant::now();
        let view = View { rows: vec![5], oldest: Some(now), more: true, ..View::default() };
        assert_eq!(decide(&view, &policy(&[], DELAY), now), Decision::Run(1, Reason::Full));
        let view = View { rows: vec![1], oldest: Some(now), draining: true, ..View::default() };
        assert_eq!(decide(&view, &policy(&[], DELAY), now), Decision::Run(1, Reason::Idle));
    }

    #[test]
    fn without_batching_each_runs_alone() {
        let policy = BatchPolicy { alone: true, ..policy(&[], DELAY) };
        assert_eq!(decided(&policy, &[1, 1], Duration::ZERO), Ok((1, Reason::Idle)));
    }
}
