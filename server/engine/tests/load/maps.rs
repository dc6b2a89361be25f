//! A graph's output of maps (`ZipMap`) on the wire: two outputs, keys and values, between its neighbours.

use std::sync::{Arc, mpsc};

use bytes::Bytes;
use girandole_core::{
    Batch, BatchInput, DType, Folder, LoadOptions, LoadRequest, Loader, Model, Reply, SessionOptions, Shape,
    bytes_tensor,
};
use girandole_engine::Engine;
use girandole_proto::onnx::tensor_proto::DataType;

use crate::builder::{OnnxBuilder, node};

/// A model with an output before its maps and one behind them.
fn model() -> Arc<dyn Model> {
    let maps = node("ZipMap", "x", "p").domain("ai.onnx.ml").with("classlabels_strings", vec!["no", "yes"]);
    let file = OnnxBuilder::new()
        .input("x", DataType::Float, &[-1, 2])
        .node(node("Neg", "x", "before"))
        .node(maps)
        .node(node("Abs", "before", "after"))
        .outputs("before p after");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    std::fs::write(&path, file.bytes()).unwrap();
    let request = LoadRequest {
        name: "m".into(),
        version: 1,
        files: Arc::new(Folder::of(path)),
        options: LoadOptions::default(),
    };
    Engine.load(&request).unwrap()
}

/// The outputs asked for, of two rows `[0.25, 0.75], [1, 0]`.
fn run(model: &dyn Model, outputs: &[usize]) -> Vec<girandole_core::Tensor> {
    let data: Vec<u8> = [0.25f32, 0.75, 1.0, 0.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let shape = Shape::new(&[2, 2]);
    let input = BatchInput { index: 0, dtype: DType::F32, shape, parts: vec![Bytes::from(data)] };
    let (sender, receiver) = mpsc::channel();
    let mut session = model.session(&SessionOptions::default()).unwrap();
    let batch = Batch { rows: 2, inputs: vec![input], outputs: outputs.to_vec() };
    session.run(batch, Reply::new(move |outcome| sender.send(outcome).unwrap()));
    receiver.recv().unwrap().unwrap().tensors
}

fn floats(tensor: &girandole_core::Tensor) -> Vec<f32> {
    tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

#[test]
fn the_specification_has_keys_and_values_in_place_of_the_maps() {
    let model = model();
    let outputs: Vec<_> = model.spec().outputs.iter().map(|o| (o.name.as_str(), o.dtype)).collect();
    let expected =
        [("before", DType::F32), ("p_keys", DType::Bytes), ("p_values", DType::F32), ("after", DType::F32)];
    assert_eq!(outputs, expected);
    assert_eq!(model.spec().max_batch_size, 1);
}

#[test]
fn each_output_is_the_one_asked_for() {
    let model = model();
    let all = run(&*model, &[0, 1, 2, 3]);
    assert_eq!(floats(&all[0]), [-0.25, -0.75, -1.0, 0.0]);
    let keys: Vec<_> = bytes_tensor::iter(all[1].data()).collect();
    assert_eq!(keys, [&b"no"[..], b"yes", b"no", b"yes"]);
    assert_eq!(all[1].shape(), &Shape::new(&[2, 2]));
    assert_eq!(floats(&all[2]), [0.25, 0.75, 1.0, 0.0]);
    assert_eq!(floats(&all[3]), [0.25, 0.75, 1.0, 0.0]);
    let some = run(&*model, &[3, 1]);
    assert_eq!(some[0], all[3]);
    assert_eq!(some[1], all[1]);
}
