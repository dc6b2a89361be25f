//! Each caller gets exactly its own rows, whatever comes beside it.

use bytes::Bytes;
use girandole_core::{DType, NamedTensor, Priority, Shape};
use proptest::prelude::*;

use super::*;

/// A request to come: its rows, its width, its priority, and whether its caller leaves.
#[derive(Clone, Debug)]
struct Plan {
    rows: usize,
    width: usize,
    priority: u64,
    leaves: bool,
}

fn plan() -> impl Strategy<Value = Plan> {
    (1..=5usize, 1..=3usize, 0..=3u64, prop::bool::weighted(0.2))
        .prop_map(|(rows, width, priority, leaves)| Plan { rows, width, priority, leaves })
}

fn version() -> impl Strategy<Value = ModelSettings> {
    (5..=16usize, 1..=3usize, prop::bool::ANY, prop::option::of(1..=6usize)).prop_map(
        |(max_rows, instances, preserve_ordering, preferred)| {
            let mut settings =
                ModelSettings { instances: vec![Placement::default(); instances], ..settings(max_rows) };
            if let Some(batching) = &mut settings.batching {
                batching.preserve_ordering = preserve_ordering;
                batching.priority_levels = 3;
                batching.default_priority = 2;
                batching.preferred_batch_sizes.extend(preferred);
                batching.max_queue_delay = if preferred.is_some() { MS } else { Duration::ZERO };
            }
            settings
        },
    )
}

/// Bytes that no other request has in the same places.
fn data(number: usize, plan: &Plan) -> Vec<u8> {
    (0..plan.rows * plan.width).map(|i| (number * 37 + i * 11) as u8).collect()
}

fn send(bench: &Bench, number: usize, plan: &Plan) -> JoinHandle<Result<Answer>> {
    let tensor =
        Tensor::new(DType::U8, Shape::new(&[plan.rows, plan.width]), Bytes::from(data(number, plan)));
    let inputs = vec![NamedTensor::new("x", tensor.unwrap())];
    let request = InferRequest { inputs, priority: Priority(plan.priority), ..InferRequest::default() };
    let (serving, rows) = (bench.serving.clone(), plan.rows);
    tokio::spawn(async move { serving.infer(request, rows, Instant::now()).await })
}

async fn check(settings: ModelSettings, plans: &[Plan]) {
    let bench = Bench::gated(settings);
    let tasks: Vec<_> = plans.iter().enumerate().map(|(i, plan)| send(&bench, i, plan)).collect();
    tokio::task::yield_now().await;
    tasks.iter().zip(plans).filter(|(_, plan)| plan.leaves).for_each(|(task, _)| task.abort());
    bench.gate.open();
    for (i, (task, plan)) in tasks.into_iter().zip(plans).enumerate() {
        match task.await {
            Ok(answer) => {
                let tensors = answer.unwrap().tensors;
                assert_eq!(tensors.len(), 4);
                for tensor in tensors {
                    assert_eq!(tensor.shape()[..], [plan.rows, plan.width]);
                    assert_eq!(bytes(&tensor), data(i, plan));
                }
            }
            Err(gone) => assert!(plan.leaves && gone.is_cancelled()),
        }
    }
    let seen = bench.serving.statistics();
    let widest = seen.batches.last().map_or(0, |batch| batch.batch_size);
    assert!(widest <= bench.serving.batcher.spec.max_batch_size as u64);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn each_caller_gets_exactly_its_own_rows(
        settings in version(),
        plans in prop::collection::vec(plan(), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build();
        runtime.unwrap().block_on(check(settings, &plans));
    }
}
