//! Broken files by the thousand: each loads or is refused, and what loads runs or fails, within its time.
//! Nothing panics, but what a session catches from candle. Deterministic: a failure names its seed.

mod entries;
mod fields;
pub(crate) mod random;
mod raw;
mod trial;
mod zoo;

use bytes::Bytes;
use entries::ENTRIES;
use girandole_proto::onnx::ModelProto;
use prost::Message;
use random::Random;
use trial::{File, Trials};

/// The repository's small example models.
const CHURN: &[u8] = include_bytes!("../../../../../model-repo/churn/1/model.onnx");
const CONGESTION: &[u8] = include_bytes!("../../../../../model-repo/congestion/1/model.onnx");

/// The model as a file; one in three gets its constants when it runs.
fn as_file(model: ModelProto, random: &mut Random) -> File {
    if random.one_in(3) { File::of_inputs(model) } else { model.into() }
}

/// The model after one to three changes.
fn changed(model: &ModelProto, random: &mut Random) -> ModelProto {
    let mut model = model.clone();
    (0..=random.below(2)).for_each(|_| fields::change(&mut model, random));
    model
}

#[test]
fn every_operator_of_the_zoo_loads_and_runs_unbroken() {
    let entries = ENTRIES.iter().map(|&entry| (entry, zoo::model(entry)));
    let graphs = zoo::graphs().map(|(name, model)| (name, model.model()));
    let mut failures = Vec::new();
    for (name, model) in entries.chain(graphs) {
        for file in [File::of_inputs(model.clone()), model.into()] {
            let outcome = trial::run_once(&file, &mut Random::new(1), true);
            if !matches!(outcome, Ok(Ok(()))) {
                failures.push(format!("{name}: {outcome:?}"));
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn flipped_and_cut_bytes_do_no_harm() {
    let zoo = |start: &str| ENTRIES.iter().find(|entry| entry.starts_with(start)).unwrap();
    let files = [
        ("churn", Bytes::from_static(CHURN), 400),
        ("congestion", Bytes::from_static(CONGESTION), 400),
        ("convolution", zoo::model(zoo("Conv ")).encode_to_vec().into(), 800),
        ("recurrence", zoo::model(zoo("LSTM ")).encode_to_vec().into(), 800),
    ];
    let mut trials = Trials::default();
    for (name, file, count) in files {
        for seed in 0..count {
            let mut random = Random::new(seed);
            let broken = raw::mutate(&file, &mut random);
            trials.add(&format!("{name}, seed {seed}"), &broken.into(), &mut random);
        }
    }
    trials.assert_harmless();
}

#[test]
fn changed_fields_of_every_operator_do_no_harm() {
    let mut trials = Trials::default();
    for entry in ENTRIES {
        let model = zoo::model(entry);
        for seed in 0..60 {
            let mut random = Random::new(seed);
            let broken = changed(&model, &mut random);
            trials.add(&format!("{entry}, seed {seed}"), &as_file(broken, &mut random), &mut random);
        }
    }
    trials.assert_harmless();
}

#[test]
fn changed_fields_of_whole_models_do_no_harm() {
    let mut trials = Trials::default();
    for (name, file) in [("churn", CHURN), ("congestion", CONGESTION)] {
        let model = ModelProto::decode(file).unwrap();
        for seed in 0..300 {
            let mut random = Random::new(seed);
            let broken = changed(&model, &mut random);
            trials.add(&format!("{name}, seed {seed}"), &as_file(broken, &mut random), &mut random);
        }
    }
    trials.assert_harmless();
}

#[test]
fn changed_fields_of_graphs_in_graphs_do_no_harm() {
    let mut trials = Trials::default();
    for (name, model) in zoo::graphs() {
        let model = model.model();
        for seed in 0..300 {
            let mut random = Random::new(seed);
            let broken = changed(&model, &mut random);
            trials.add(&format!("{name}, seed {seed}"), &as_file(broken, &mut random), &mut random);
        }
    }
    trials.assert_harmless();
}

#[test]
fn parts_of_two_models_together_do_no_harm() {
    let mut trials = Trials::default();
    for (number, entry) in ENTRIES.iter().enumerate() {
        for seed in 0..20 {
            let mut random = Random::new(seed + 1000 * number as u64);
            let other = random.pick(ENTRIES);
            let mut model = zoo::model(entry);
            fields::cross(&mut model, &zoo::model(other), &mut random);
            if random.one_in(2) {
                fields::change(&mut model, &mut random);
            }
            trials.add(
                &format!("{entry} and {other}, seed {seed}"),
                &as_file(model, &mut random),
                &mut random,
            );
        }
    }
    trials.assert_harmless();
}
