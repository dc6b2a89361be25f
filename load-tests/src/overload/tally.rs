//! What became of requests, by what their callers got.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{measure::percentile, questions::Reply};

/// What became of requests. Times of answers count from when a request was due, those of refusals from when it was
/// sent: how late a client sends is no matter of how fast a server refuses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Right answers within the deadline.
    pub(crate) in_time: Vec<Duration>,
    /// Right answers after it.
    pub(super) late: usize,
    /// Requests whose deadline passed while they waited for a connection: their callers had given up.
    pub(super) unsent: usize,
    /// How long refusals took.
    pub(crate) refused: Vec<Duration>,
    /// Refusals by their status.
    pub(super) statuses: BTreeMap<u16, usize>,
    /// Wrong answers.
    pub(crate) wrong: Vec<String>,
    /// How long after they were due requests were sent: what the client itself adds.
    pub(super) behind: Vec<Duration>,
}

impl Tally {
    /// Takes note of a request that was due and sent then, and has its reply now.
    pub(super) fn note(&mut self, reply: Reply, (due, sent): (Instant, Instant), deadline: Duration) {
        let took = due.elapsed();
        match reply {
            Reply::Right if took <= deadline => self.in_time.push(took),
            Reply::Right => self.late += 1,
            Reply::Wrong(why) => self.wrong.push(why),
            Reply::Refused(status) => {
                self.refused.push(sent.elapsed());
                *self.statuses.entry(status).or_default() += 1;
            }
        }
    }

    /// All of them together, sorted.
    pub(super) fn sum(all: impl IntoIterator<Item = Self>) -> Self {
        let mut sum = all.into_iter().fold(Self::default(), |mut sum, one| {
            sum.in_time.extend(one.in_time);
            sum.late += one.late;
            sum.unsent += one.unsent;
            sum.refused.extend(one.refused);
            for (status, count) in one.statuses {
                *sum.statuses.entry(status).or_default() += count;
            }
            sum.wrong.extend(one.wrong);
            sum.behind.extend(one.behind);
            sum
        });
        for times in [&mut sum.in_time, &mut sum.refused, &mut sum.behind] {
            times.sort_unstable();
        }
        sum
    }

    /// The statuses with their numbers.
    pub(super) fn statuses(&self) -> String {
        let each = self.statuses.iter().map(|(status, count)| format!("{status}: {count}"));
        each.collect::<Vec<_>>().join(", ")
    }
}

/// Milliseconds that this share does not exceed; `-` of none.
pub(super) fn ms(sorted: &[Duration], share: f64) -> String {
    match sorted {
        [] => "-".to_owned(),
        sorted => format!("{:.1}", percentile(sorted, share).as_secs_f64() * 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_right_answers_within_the_deadline_are_good() {
        let now = Instant::now();
        let [quick, slow] = [1, 90].map(|seconds| now.checked_sub(Duration::from_secs(seconds)).unwrap());
        let mut tally = Tally::default();
        for (reply, due) in [
            (Reply::Right, quick),
            (Reply::Right, slow),
            (Reply::Wrong("2 + 2 = 5".into()), quick),
            (Reply::Refused(429), quick),
        ] {
            tally.note(reply, (due, now), Duration::from_secs(50));
        }
        let sum = Tally::sum([tally.clone(), tally]);
        assert_eq!((sum.in_time.len(), sum.late, sum.wrong.len(), sum.refused.len()), (2, 2, 2, 2));
        assert_eq!(sum.statuses(), "429: 2");
    }
}
