//! Saved models with parts of their descriptions changed: each loads or is refused, and what loads runs or fails.

use std::{fs, path::Path, sync::Arc, sync::mpsc};

use bytes::Bytes;
use girandole_core::{
    Batch, BatchInput, Dim, ErrorCode, LoadOptions, LoadRequest, Loader, Model, Reply, SessionOptions, Shape,
};
use girandole_engine::Engine;
use safetensors::SafeTensors;

use super::{described::Held, file, saved};
use crate::mutation::random::Random;

/// Changes of each saved model.
const ROUNDS: u64 = 60;

/// What a word is replaced by, besides other words of the text.
const WORDS: [&str; 12] =
    ["0", "1", "2", "-1", "4294967296", "18446744073709551615", "1e30", "null", "true", "\"\"", "[]", "{}"];

/// A saved model in one file, as text.
fn described(folder: &Path) -> Option<String> {
    let bytes = fs::read(file(folder)).ok()?;
    let tensors = SafeTensors::deserialize(&bytes).ok()?;
    let line = |(name, tensor): (&str, safetensors::tensor::TensorView<'_>)| {
        let shape: Vec<_> = tensor.shape().iter().map(ToString::to_string).collect();
        format!("{name} {:?} {}", tensor.dtype(), shape.join(","))
    };
    let mut lines: Vec<_> = tensors.iter().map(line).collect();
    lines.sort();
    let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
    let parts = ["config.json", "modules.json", "1_Pooling/config.json"].map(text);
    Some([&parts[..], &[lines.join("\n")]].concat().join("\n---\n"))
}

/// The text with one word or line changed.
fn changed(text: &str, random: &mut Random) -> String {
    if random.one_in(4) {
        let mut lines: Vec<&str> = text.split('\n').collect();
        let line = random.below(lines.len());
        match random.below(3) {
            0 => drop(lines.remove(line)),
            1 => lines.insert(line, random.pick(&lines)),
            _ => lines[line] = random.pick(&lines),
        }
        return lines.join("\n");
    }
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let words: Vec<(usize, &str)> = text
        .match_indices(is_word)
        .filter(|(at, _)| !text[..*at].ends_with(is_word))
        .map(|(at, _)| (at, text[at..].split(|c| !is_word(c)).next().unwrap_or_default()))
        .collect();
    let (at, word) = random.pick(&words);
    let other = if random.one_in(2) { random.pick(&WORDS) } else { random.pick(&words).1 };
    format!("{}{other}{}", &text[..at], &text[at + word.len()..])
}

/// Loads what a text describes, and runs a batch where that is there; whether it loads.
#[track_caller]
fn try_one(text: &str) -> bool {
    let Some(files) = Held::of(text.as_bytes()) else { return false };
    let request =
        LoadRequest { name: "m".into(), version: 1, files: Arc::new(files), options: LoadOptions::default() };
    match Engine.load(&request) {
        Ok(model) => {
            run(&*model, text);
            true
        }
        Err(error) => {
            assert_ne!(error.code(), ErrorCode::Internal, "{error}\n{text}");
            false
        }
    }
}

#[track_caller]
fn run(model: &dyn Model, text: &str) {
    let input = |(index, spec): (usize, &girandole_core::TensorSpec)| {
        let size = |dim: &Dim| if let Dim::Fixed(size) = dim { *size } else { 2 };
        let shape: Shape = spec.dims.iter().flatten().map(size).collect();
        let elements = shape.elements().unwrap_or(0) * spec.dtype.size().unwrap_or(1);
        let one = |i: usize| u8::from(i.is_multiple_of(spec.dtype.size().unwrap_or(1)));
        let parts = vec![(0..elements).map(one).collect::<Bytes>()];
        BatchInput { index, dtype: spec.dtype, shape, parts }
    };
    let inputs = model.spec().inputs.iter().enumerate().map(input).collect();
    let outputs = (0..model.spec().outputs.len()).collect();
    let mut session = model.session(&SessionOptions::default()).unwrap();
    let (sender, receiver) = mpsc::channel();
    session.run(Batch { rows: 2, inputs, outputs }, Reply::new(move |outcome| drop(sender.send(outcome))));
    if let Err(error) = receiver.recv().unwrap() {
        assert_ne!(error.code(), ErrorCode::Internal, "{error}\n{text}");
    }
}

#[test]
fn changed_models_load_or_are_refused() {
    let (mut loaded, mut refused) = (0, 0);
    let mut folders: Vec<_> = fs::read_dir(saved()).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    for (number, folder) in folders.iter().enumerate() {
        let Some(text) = described(folder) else { continue };
        assert!(try_one(&text), "{} does not load from its description", folder.display());
        for round in 0..ROUNDS {
            let mut random = Random::new(round << 8 | number as u64);
            let changes = 1 + random.below(2);
            let text = (0..changes).fold(text.clone(), |text, _| changed(&text, &mut random));
            if try_one(&text) {
                loaded += 1;
            } else {
                refused += 1;
            }
        }
    }
    assert!(loaded > 50 && refused > 400, "{loaded} loaded, {refused} were refused");
}
