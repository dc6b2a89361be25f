//! Every saved model answers as it did where it was saved.

use std::{fs, path::Path, sync::mpsc};

use bytes::Bytes;
use girandole_core::{
    Batch, BatchInput, BatchOutputs, DType, Dim, Error, ErrorCode, Model, ModelSpec, Reply, SessionOptions,
    Shape,
};
use girandole_engine::{Target, inspect::inspect};
use safetensors::{Dtype, SafeTensors};

use super::{Copy, file, load, saved};

/// How far an answer may be from PyTorch's, beside and in parts of it.
const ABSOLUTE: f32 = 2e-5;
const RELATIVE: f32 = 1e-4;

/// What a model was asked and answered.
struct Asked(Vec<u8>);

impl Asked {
    fn of(folder: &Path) -> Self {
        Self(fs::read(folder.join("answers.safetensors")).unwrap())
    }

    fn tensors(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.0).unwrap()
    }

    fn batch(&self, spec: &ModelSpec) -> Batch {
        let tensors = self.tensors();
        let input = |(index, input): (usize, &girandole_core::TensorSpec)| {
            let tensor = tensors.tensor(&format!("input.{}", input.name)).unwrap();
            let dtype = if tensor.dtype() == Dtype::I64 { DType::I64 } else { DType::F32 };
            let parts = vec![Bytes::copy_from_slice(tensor.data())];
            BatchInput { index, dtype, shape: Shape::new(tensor.shape()), parts }
        };
        let inputs: Vec<_> = spec.inputs.iter().enumerate().map(input).collect();
        let rows = inputs[0].shape[0];
        Batch { rows, inputs, outputs: (0..spec.outputs.len()).collect() }
    }

    /// The answers by name.
    fn outputs(&self) -> Vec<(String, Shape, Vec<f32>)> {
        let tensors = self.tensors();
        let named = tensors.iter().filter_map(|(name, tensor)| {
            let name = name.strip_prefix("output.")?.to_owned();
            Some((name, Shape::new(tensor.shape()), floats(tensor.data())))
        });
        named.collect()
    }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
}

fn run(model: &dyn Model, batch: Batch) -> BatchOutputs {
    answer(model, batch).unwrap()
}

fn answer(model: &dyn Model, batch: Batch) -> Result<BatchOutputs, Error> {
    let mut session = model.session(&SessionOptions::default()).unwrap();
    let (sender, receiver) = mpsc::channel();
    session.run(batch, Reply::new(move |outcome| drop(sender.send(outcome))));
    receiver.recv().unwrap()
}

/// Whether the model gives exactly the outputs that were saved with it.
#[track_caller]
fn assert_answers(name: &str, folder: &Path, model: &dyn Model) {
    let asked = Asked::of(folder);
    let found = run(model, asked.batch(model.spec()));
    let mut names: Vec<_> = model.spec().outputs.iter().map(|output| output.name.clone()).collect();
    for (output, shape, expected) in asked.outputs() {
        let index = model.spec().outputs.iter().position(|spec| spec.name == output);
        let index = index.unwrap_or_else(|| panic!("{name} gives no {output}"));
        let tensor = &found.tensors[index];
        assert_eq!(tensor.shape(), &shape, "{name} {output}");
        let worst = floats(tensor.data())
            .into_iter()
            .zip(&expected)
            .map(|(found, expected)| (found - expected).abs() - RELATIVE * expected.abs())
            .fold(0.0, f32::max);
        assert!(worst <= ABSOLUTE, "{name} {output}: off by {worst}");
        assert!(expected.iter().any(|number| number.abs() > 1e-2), "{name} {output} shows nothing");
        names.retain(|name| *name != output);
    }
    assert_eq!(names, [""; 0], "{name}");
}

#[test]
fn every_saved_model_answers_as_it_did() {
    let mut count = 0;
    for entry in fs::read_dir(saved()).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let model = load(&folder).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(model.spec().batches(), "{name} does not batch");
        assert_answers(&name, &folder, &*model);
        count += 1;
    }
    assert_eq!(count, 19);
}

#[test]
fn encoders_are_fused_for_both_kinds_of_devices() {
    for (name, layers) in [("bert", 2), ("distilbert", 2), ("xlm_roberta", 1), ("bert_sentence_mean", 1)] {
        let path = file(&saved().join(name));
        for target in [Target::Cpu, Target::Gpu] {
            let report = inspect(&path, target).unwrap();
            let count = |operator: &str| report.operators.get(operator).copied().unwrap_or_default();
            assert_eq!(count("FusedAttention"), layers, "{name} {target:?}: {:?}", report.operators);
            for spelled in ["Softmax", "MatMul", "Gelu", "LayerNormalization", "Transpose", "Range"] {
                assert_eq!(count(spelled), 0, "{name} {target:?}: {spelled} in {:?}", report.operators);
            }
            assert!(report.on_host.is_empty(), "{name}: {:?}", report.on_host);
            assert_eq!(count("Embed"), usize::from(target == Target::Gpu), "{name}: {:?}", report.operators);
        }
    }
}

#[test]
fn a_sequence_that_is_too_long_is_refused() {
    for name in ["bert", "distilbert", "xlm_roberta"] {
        let model = load(&saved().join(name)).unwrap();
        let ask = |length: usize| {
            let input = |index: usize| {
                let parts = vec![[1i64; 40][..length].iter().flat_map(|id| id.to_le_bytes()).collect()];
                BatchInput { index, dtype: DType::I64, shape: Shape::new(&[1, length]), parts }
            };
            let inputs = (0..model.spec().inputs.len()).map(input).collect();
            answer(&*model, Batch { rows: 1, inputs, outputs: vec![0] }).map(|_| ())
        };
        // The number 1 is also a type, and XLM-RoBERTa's padding, whose position is within the table: so it is the
        // length alone that is refused, as on a GPU, whose look-ups know no errors. XLM-RoBERTa's first two positions are the padding's and nobody's.
        let most = if name == "xlm_roberta" { 14 } else { 16 };
        ask(most).unwrap();
        let error = ask(most + 1).unwrap_err();
        assert!(error.message().contains("do not broadcast"), "{name}: {error}");
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
    }
}

#[test]
fn cells_are_packed() {
    for (name, layers) in [("lstm_last", 2), ("lstm_both_ways", 2), ("gru", 1)] {
        let operators = inspect(&file(&saved().join(name)), Target::Cpu).unwrap().operators;
        assert_eq!(operators.get("FusedRecurrent"), Some(&layers), "{name}: {operators:?}");
        assert_eq!(operators.get("Split"), None, "{name}: {operators:?}");
    }
}

#[test]
fn an_encoder_says_what_it_takes_and_gives() {
    let model = load(&saved().join("bert")).unwrap();
    let spec = model.spec();
    let inputs: Vec<_> = spec.inputs.iter().map(ToString::to_string).collect();
    let names: Vec<_> = spec.inputs.iter().map(|input| input.name.as_str()).collect();
    assert_eq!(names, ["input_ids", "attention_mask", "token_type_ids"]);
    assert!(spec.inputs.iter().all(|input| input.dtype == DType::I64), "{inputs:?}");
    let free = |name: &str| Dim::Free(Some(name.into()));
    let tokens = [free("batch_size"), free("sequence_length")];
    assert!(spec.inputs.iter().all(|input| input.dims.as_deref() == Some(&tokens[..])), "{inputs:?}");
    let shapes: Vec<_> = spec.outputs.iter().map(|output| (&*output.name, output.wire_shape())).collect();
    assert_eq!(shapes, [("last_hidden_state", vec![-1, -1, 16]), ("pooler_output", vec![-1, 16])]);
}

#[test]
fn names_of_old_files_are_known() {
    let copy = Copy::of("bert");
    // As the first BERT was converted; the spaces behind the header's end are the format's own.
    let mut bytes = copy.read("model.safetensors");
    let (end, mut header) = header(&bytes);
    for (new, old) in [("LayerNorm.weight\"", "LayerNorm.gamma\""), ("LayerNorm.bias\"", "LayerNorm.beta\"")]
    {
        header = header.replace(new, old);
    }
    header.push_str(&" ".repeat(end - 8 - header.len()));
    bytes[8..end].copy_from_slice(header.as_bytes());
    copy.write("model.safetensors", bytes);
    assert_answers("bert", &copy.folder(), &*copy.load().unwrap());
}

/// Where a file's header ends, and the header.
pub(super) fn header(file: &[u8]) -> (usize, String) {
    let end = 8 + usize::try_from(u64::from_le_bytes(*file.first_chunk().unwrap())).unwrap();
    (end, String::from_utf8(file[8..end].to_vec()).unwrap())
}
