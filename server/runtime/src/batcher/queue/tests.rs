//! Bounds, order, timeouts and deadlines of the queue, on made-up instants.

use girandole_core::{ModelSpec, Result};
use tokio::sync::oneshot;

use super::*;
use crate::{
    batcher::{
        message::Answer,
        testing::{message, spec},
    },
    settings::BatchingSettings,
};

const MS: Duration = Duration::from_millis(1);

fn settings(policy: QueuePolicy) -> ModelSettings {
    ModelSettings {
        spec: spec(8),
        instances: Vec::new(),
        batching: Some(BatchingSettings {
            preferred_batch_sizes: Vec::new(),
            max_queue_delay: Duration::ZERO,
            preserve_ordering: false,
            priority_levels: 3,
            default_priority: 2,
            priority_policies: BTreeMap::new(),
        }),
        default_queue_policy: policy,
        warmup: Vec::new(),
        circuit_breaker: Default::default(),
        class_labels: BTreeMap::new(),
        parameters: BTreeMap::new(),
    }
}

/// A queue with the callers' ends of what it holds.
struct Bench {
    queue: Queue,
    policy: BatchPolicy,
    spec: ModelSpec,
    callers: Vec<oneshot::Receiver<Result<Answer>>>,
    start: Instant,
    estimate: Estimate,
}

impl Bench {
    fn new(settings: &ModelSettings) -> Self {
        Self {
            queue: Queue::new(settings),
            policy: BatchPolicy::new(settings),
            spec: settings.spec.clone(),
            callers: Vec::new(),
            start: Instant::now(),
            estimate: Estimate::default(),
        }
    }

    fn push(&mut self, values: &[u8], change: impl FnOnce(&mut Message)) -> Result<(), Refusal> {
        let (mut message, caller) = message(&self.spec, values);
        change(&mut message);
        self.callers.push(caller);
        self.queue.push(message, self.start, &self.estimate).map(drop).map_err(|refused| refused.1)
    }

    fn sweep(&mut self, after: Duration) -> Vec<Refusal> {
        self.queue.sweep(self.start + after, Duration::ZERO).into_iter().map(|(_, why)| why).collect()
    }

    /// Takes everything that fits one batch; the first byte of each request.
    fn take(&mut self) -> Vec<u8> {
        let count = self.queue.view(&self.policy, self.policy.max_rows, false).rows.len();
        let taken = self.queue.take(count);
        taken.iter().map(|message| message.inputs[0].tensor.data()[0]).collect()
    }
}

#[test]
fn the_bound_is_exact() {
    let mut bench = Bench::new(&settings(QueuePolicy { max_queue_size: Some(2), ..QueuePolicy::default() }));
    assert_eq!(bench.push(&[1], |_| {}), Ok(()));
    assert_eq!(bench.push(&[2], |_| {}), Ok(()));
    assert_eq!(bench.push(&[3], |_| {}), Err(Refusal::Full(2)));
    assert_eq!(bench.push(&[4], |m| m.priority = 1), Ok(()), "each priority has its own bound");
    assert_eq!(bench.take(), [4, 1, 2]);
    assert_eq!(bench.push(&[5], |_| {}), Ok(()));
    assert_eq!(bench.queue.len(), 1);
}

#[test]
fn without_a_bound_the_default_holds_for_all_priorities_together() {
    let mut bench = Bench::new(&settings(QueuePolicy::default()));
    for i in 0..DEFAULT_MAX_QUEUE_SIZE {
        assert_eq!(bench.push(&[1], |m| m.priority = 1 + i as u64 % 3), Ok(()));
    }
    assert_eq!(bench.push(&[1], |_| {}), Err(Refusal::Full(DEFAULT_MAX_QUEUE_SIZE)));
}

#[test]
fn priorities_go_first_and_unknown_ones_are_the_default() {
    let mut bench = Bench::new(&settings(QueuePolicy::default()));
    for (value, priority) in [(1, 3), (2, 0), (3, 99), (4, 1), (5, 2)] {
        bench.push(&[value], |m| m.priority = priority).unwrap();
    }
    assert_eq!(bench.take(), [4, 2, 3, 5, 1]);
}

#[test]
fn reject_refuses_at_its_timeout_and_not_before() {
    let policy = QueuePolicy { default_timeout: Some(10 * MS), ..QueuePolicy::default() };
    let mut bench = Bench::new(&settings(policy));
    bench.push(&[1], |_| {}).unwrap();
    bench.push(&[2], |m| m.queue_timeout = Some(5 * MS)).unwrap();
    bench.push(&[3], |m| m.queue_timeout = Some(50 * MS)).unwrap();
    assert!(!bench.queue.wants_sweep(bench.start + 4 * MS, Duration::ZERO));
    assert_eq!(bench.sweep(4 * MS), []);
    assert!(bench.queue.wants_sweep(bench.start + 5 * MS, Duration::ZERO));
    assert_eq!(bench.sweep(5 * MS), [Refusal::Expired]);
    assert_eq!(bench.sweep(10 * MS), [Refusal::Expired, Refusal::Expired], "an override only shortens");
    assert_eq!(bench.queue.len(), 0);
}

#[test]
fn an_override_counts_only_where_it_is_allowed() {
    let policy = |allow| QueuePolicy { allow_timeout_override: allow, ..QueuePolicy::default() };
    assert_eq!(timeout(&policy(true), Some(MS)), Some(MS));
    assert_eq!(timeout(&policy(false), Some(MS)), None);
    assert_eq!(timeout(&policy(true), Some(Duration::ZERO)), None);
}

#[test]
fn delay_puts_the_late_behind_those_in_time() {
    let policy = QueuePolicy {
        timeout_action: TimeoutAction::Delay,
        default_timeout: Some(10 * MS),
        max_queue_size: Some(3),
        ..QueuePolicy::default()
    };
    let mut bench = Bench::new(&settings(policy));
    bench.push(&[1], |_| {}).unwrap();
    bench.push(&[2], |_| {}).unwrap();
    assert_eq!(bench.sweep(10 * MS), []);
    bench.start += 10 * MS;
    bench.push(&[3], |_| {}).unwrap();
    assert_eq!(bench.push(&[4], |_| {}), Err(Refusal::Full(3)), "the late count too");
    assert_eq!(bench.sweep(MS), []);
    assert_eq!(bench.take(), [3, 1, 2]);
}

#[test]
fn a_deadline_that_cannot_be_met_is_refused_at_once_and_later() {
    let mut bench = Bench::new(&settings(QueuePolicy::default()));
    let start = bench.start;
    assert_eq!(bench.push(&[1], |m| m.deadline = Some(start - MS)), Err(Refusal::TooLate));
    bench.push(&[2], |m| m.deadline = Some(start + 10 * MS)).unwrap();
    assert_eq!(bench.sweep(10 * MS), []);
    assert!(bench.queue.wants_sweep(start, 11 * MS), "no answer before then");
    assert_eq!(bench.sweep(11 * MS), [Refusal::TooLate]);
}

#[test]
fn who_goes_is_found_in_time_or_delayed_and_once() {
    let policy = QueuePolicy { timeout_action: TimeoutAction::Delay, ..QueuePolicy::default() };
    let mut bench = Bench::new(&settings(policy));
    let mut places = Vec::new();
    for value in 1..=4 {
        let (mut message, caller) = message(&bench.spec, &[value]);
        message.queue_timeout = Some(u32::from(5 - value) * MS).filter(|_| value < 3);
        bench.callers.push(caller);
        places.push(bench.queue.push(message, bench.start, &Estimate::default()).unwrap());
    }
    // The second is delayed before the first.
    assert_eq!((bench.sweep(3 * MS), bench.sweep(4 * MS)), (vec![], vec![]));
    for at in [0, 2] {
        let gone = bench.queue.remove(places[at]).map(|message| message.number);
        assert_eq!(gone, Some(places[at].number));
        assert!(bench.queue.remove(places[at]).is_none());
    }
    assert_eq!(bench.queue.len(), 2);
    assert_eq!(bench.take(), [4, 2]);
}

#[test]
fn rows_are_counted_and_equals_keep_their_order() {
    let mut bench = Bench::new(&settings(QueuePolicy::default()));
    for values in [&[1; 3][..], &[2; 4], &[3; 2], &[4; 1]] {
        bench.push(values, |_| {}).unwrap();
    }
    let view = bench.queue.view(&bench.policy, bench.policy.max_rows, false);
    assert_eq!((view.rows, view.more), (vec![3, 4], true));
    assert_eq!(bench.take(), [1, 2]);
    assert_eq!(bench.take(), [3, 4]);
}

#[test]
fn other_shapes_wait_for_a_batch_of_their_own() {
    let wide = |message: &mut Message| {
        let tensor = &mut message.inputs[0].tensor;
        let shape = girandole_core::Shape::new(&[1, 2]);
        *tensor = girandole_core::Tensor::new(tensor.dtype(), shape, tensor.data().clone()).unwrap();
        message.rows = 1;
    };
    let mut bench = Bench::new(&settings(QueuePolicy::default()));
    bench.push(&[1], |_| {}).unwrap();
    bench.push(&[2, 2], wide).unwrap();
    bench.push(&[3], |_| {}).unwrap();
    assert_eq!(bench.take(), [1, 3]);
    bench.push(&[4], |_| {}).unwrap();
    assert_eq!(bench.take(), [2], "the one that was passed over is first now");

    bench.policy.preserve_ordering = true;
    bench.push(&[5, 5], wide).unwrap();
    assert_eq!(bench.take(), [4]);
    assert_eq!(bench.take(), [5]);
}

#[test]
fn who_would_wait_for_too_long_is_refused_at_once() {
    let override_allowed = QueuePolicy { allow_timeout_override: true, ..QueuePolicy::default() };
    let mut bench = Bench::new(&settings(override_allowed));
    let start = bench.start;
    // Rows take 2 ms each, batches 10, and a quarter more is reckoned with.
    bench.estimate.observe(10 * MS, 5, 1);
    assert_eq!(bench.push(&[1, 2], |m| m.deadline = Some(start + 10 * MS)), Ok(()), "nobody is before it");
    let backlog = |rows: usize, wait: Duration| Err(Refusal::Backlog { rows, wait });
    assert_eq!(bench.push(&[3], |m| m.deadline = Some(start + 29 * MS)), backlog(2, 35 * MS / 2));
    assert_eq!(bench.push(&[3, 4], |m| m.deadline = Some(start + 30 * MS)), Ok(()));
    assert_eq!(bench.push(&[5], |m| m.queue_timeout = Some(22 * MS)), backlog(4, 45 * MS / 2));
    assert_eq!(bench.push(&[5], |m| m.queue_timeout = Some(23 * MS)), Ok(()));
    assert_eq!(bench.push(&[6], |_| {}), Ok(()), "who has time may wait");
    assert_eq!(bench.push(&[7], |m| (m.priority, m.deadline) = (1, Some(start + 10 * MS))), Ok(()));
    bench.take();
    bench.sweep(60 * MS);
    assert_eq!(bench.push(&[8], |m| m.deadline = Some(start + 10 * MS)), Ok(()), "nobody is left before it");
}
