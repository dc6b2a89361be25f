//! Weights in files beside the model: read where they lie, and only inside the model's own folder.

use std::{fs, path::Path};

use girandole_core::Error;
use girandole_engine::{onnx, ops::RunContext, plan::Plan, value::Tensor};
use girandole_proto::onnx::{
    StringStringEntryProto, TensorProto,
    tensor_proto::{DataLocation, DataType},
};

use crate::builder::{OnnxBuilder, node, tensor};

/// Two floats that lie in a file, by these entries.
fn beside(entries: &[(&str, &str)]) -> TensorProto {
    let entry =
        |&(key, value): &(&str, &str)| StringStringEntryProto { key: key.into(), value: value.into() };
    TensorProto {
        external_data: entries.iter().map(entry).collect(),
        data_location: DataLocation::External as i32,
        ..tensor(DataType::Float, &[2])
    }
}

fn run(folder: &Path, weights: TensorProto) -> Result<Vec<f32>, Error> {
    let model = OnnxBuilder::new().constant("w", weights).node(node("Neg", "w", "y")).outputs("y");
    let file = onnx::import(model.bytes(), Some(folder))?;
    let plan = Plan::new(file.graph).map_err(|error| error.at("model"))?;
    let outputs = plan.run(Vec::new(), &RunContext::default()).map_err(|error| error.at("model"))?;
    Ok(outputs[0].tensor().unwrap().to_vec().unwrap())
}

/// A folder with `v/weights.bin`, three floats, and `secret.bin` beside `v`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = [1.0f32, 2.0, 3.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    fs::create_dir_all(folder.path().join("v/more")).unwrap();
    for name in ["v/weights.bin", "v/more/weights.bin", "secret.bin"] {
        fs::write(folder.path().join(name), &bytes).unwrap();
    }
    folder
}

#[test]
fn weights_are_read_where_they_lie() {
    let folder = folder();
    let version = folder.path().join("v");
    assert_eq!(run(&version, beside(&[("location", "weights.bin")])).unwrap(), [-1.0, -2.0]);
    let behind = [("location", "more/weights.bin"), ("offset", "4"), ("length", "8")];
    assert_eq!(run(&version, beside(&behind)).unwrap(), [-2.0, -3.0]);
}

#[test]
fn an_attribute_may_lie_beside_the_model_too() {
    let folder = folder();
    let constant = node("Constant", "", "y").with("value", beside(&[("location", "weights.bin")]));
    let model = OnnxBuilder::new().node(constant).outputs("y");
    let file = onnx::import(model.bytes(), Some(&folder.path().join("v"))).unwrap();
    let outputs = Plan::new(file.graph).unwrap().run(Vec::new(), &RunContext::default()).unwrap();
    assert_eq!(outputs[0].tensor().unwrap().to_vec::<f32>().unwrap(), [1.0, 2.0]);
}

#[test]
fn nothing_outside_the_folder_is_read() {
    let folder = folder();
    let version = folder.path().join("v");
    let secret = folder.path().join("secret.bin");
    for location in ["../secret.bin", "more/../../secret.bin", secret.to_str().unwrap(), ""] {
        let error = run(&version, beside(&[("location", location)])).unwrap_err();
        assert!(error.message().contains("beside the model"), "{location}: {error}");
    }
}

#[cfg(unix)]
#[test]
fn no_link_leads_out_of_the_folder_and_no_pipe_is_waited_for() {
    let folder = folder();
    let version = folder.path().join("v");
    std::os::unix::fs::symlink(folder.path().join("secret.bin"), version.join("file")).unwrap();
    std::os::unix::fs::symlink(folder.path(), version.join("up")).unwrap();
    std::os::unix::fs::symlink("weights.bin", version.join("inside")).unwrap();
    for location in ["file", "up/secret.bin"] {
        let error = run(&version, beside(&[("location", location)])).unwrap_err();
        assert!(error.message().contains("outside of the version's folder"), "{location}: {error}");
    }
    assert_eq!(run(&version, beside(&[("location", "inside")])).unwrap(), [-1.0, -2.0]);
    assert!(
        run(&version, beside(&[("location", "more")])).unwrap_err().message().contains("no regular file")
    );
}

#[test]
#[ignore = "takes 5 GB of memory; the file itself is sparse"]
fn weights_of_more_than_two_gigabytes_are_read() {
    use std::os::unix::fs::FileExt;

    const HALF: u64 = 1_200_000_000;
    let folder = tempfile::tempdir().unwrap();
    let file = fs::File::create(folder.path().join("large.bin")).unwrap();
    file.set_len(2 * HALF).unwrap();
    file.write_all_at(&7.5f32.to_le_bytes(), 2 * HALF - 4).unwrap();
    let weights = |offset: u64| TensorProto {
        dims: vec![(HALF / 4).cast_signed()],
        ..beside(&[("location", "large.bin"), ("offset", &offset.to_string())])
    };
    let model = OnnxBuilder::new()
        .input("i", DataType::Int64, &[])
        .constant("a", weights(0))
        .constant("b", weights(HALF))
        .node(node("Gather", "a i", "x"))
        .node(node("Gather", "b i", "y"))
        .outputs("x y");
    let plan = Plan::new(onnx::import(model.bytes(), Some(folder.path())).unwrap().graph).unwrap();
    let last = Tensor::scalar((HALF / 4).cast_signed() - 1).unwrap().into();
    let outputs = plan.run(vec![last], &RunContext::default()).unwrap();
    let scalar = |i: usize| outputs[i].tensor().unwrap().to_scalar::<f32>().unwrap();
    assert_eq!((scalar(0), scalar(1)), (0.0, 7.5));
}

#[test]
fn entries_that_do_not_fit_the_tensor_are_errors() {
    let folder = folder();
    let version = folder.path().join("v");
    for (key, value) in [
        ("offset", "8"),
        ("offset", "-1"),
        ("offset", "18446744073709551615"),
        ("length", "4"),
        ("length", "x"),
    ] {
        let error = run(&version, beside(&[("location", "weights.bin"), (key, value)])).unwrap_err();
        assert!(
            error.message().contains("weights.bin") || error.message().contains("external data"),
            "{key} {value}: {error}"
        );
    }
    assert!(run(&version, beside(&[("location", "absent.bin")])).is_err());
}
