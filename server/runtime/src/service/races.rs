//! Requests that are routed while the next snapshot is stored and the old one let go, explored by a model checker
//! (see `instances::races`). The pointer's loads and stores are steps of the checker; what a load holds is held
//! across other threads' steps.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use girandole_core::InferRequest;
use shuttle::future::block_on;

use super::{ByteBudget, Service, Shared, Snapshot};
use crate::{
    batcher::testing::request,
    instances::races::{Bench, Plan, explore},
    snapshot::{ServedModel, ServedVersion},
    sync::thread,
    trace::Tracer,
};

/// A version that adds its number to each row, and is taken out of its bench.
fn version(bench: &mut Bench, number: u64) -> Arc<ServedVersion> {
    let serving = bench.serving.take().and_then(Arc::into_inner).unwrap();
    let (settings, config) = (bench.settings.clone(), Arc::default());
    let (model, digest, precision) = ("m".into(), None, None);
    Arc::new(ServedVersion { model, version: number, digest, settings, config, precision, serving })
}

fn snapshot(version: Arc<ServedVersion>) -> Arc<Snapshot> {
    let model = ServedModel {
        name: "m".into(),
        versions: [(version.version, version)].into(),
        states: BTreeMap::new(),
        problem: None,
        routes: Arc::default(),
    };
    Arc::new(Snapshot { models: [("m".into(), Arc::new(model))].into(), ready: true, ..Snapshot::default() })
}

/// A request, checked against the version that answered it.
fn ask(service: &Service, value: u8) -> u64 {
    let request = InferRequest { model: "m".into(), ..request(&[value]) };
    let response = block_on(service.infer(request)).unwrap();
    assert_eq!(response.outputs[0].tensor.data()[..], [value + response.version as u8]);
    response.version
}

#[test]
fn a_swap_fails_nobody_and_closes_the_old_version() {
    for instances in [1, 2] {
        explore(move || {
            let (mut old, mut new) =
                ([1, 2]).map(|adds| Bench::start(Plan { instances, adds, ..Plan::default() })).into();
            let (events, tracer) = (std::sync::mpsc::channel().0, Tracer::default());
            let service = Service(Arc::new(Shared::new(events, false, ByteBudget::default(), tracer)));
            service.0.snapshot.store(snapshot(version(&mut old, 1)));
            let stored = Arc::new(AtomicBool::new(false));
            let callers = [10, 20].map(|value| {
                let (service, stored) = (service.clone(), stored.clone());
                thread::spawn(move || {
                    for value in [value, value + 1] {
                        let late = stored.load(Ordering::SeqCst);
                        let answered = ask(&service, value);
                        assert!(answered == 2 || !late, "the old version answered after the swap");
                    }
                })
            });
            service.0.snapshot.store(snapshot(version(&mut new, 2)));
            stored.store(true, Ordering::SeqCst);
            // The old one goes by itself, while the service lives.
            old.closed();
            callers.into_iter().for_each(|caller| caller.join().unwrap());
            drop(service);
            new.closed();
        });
    }
}
