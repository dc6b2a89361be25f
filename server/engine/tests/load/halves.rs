//! Files of f16 and bf16: they are computed in f32 with the fused operators of a file of f32, and rounded once, where
//! they hand something out; what shows its digits has those of the file's type.

use girandole_core::Folder;
use girandole_engine::{
    Target, Tuning, onnx,
    ops::RunContext,
    plan::Plan,
    value::{ElemType, Element, Tensor, Text, Value},
};
use girandole_proto::onnx::{
    GraphProto, ModelProto, TensorProto, TypeProto, attribute_proto::AttributeType, tensor_proto::DataType,
    type_proto,
};
use half::{bf16, f16};
use prost::Message;

use crate::builder::{OnnxBuilder, floats, ints, node, tensor};

const ROWS: usize = 3;
const SIDE: usize = 8;

/// Numbers that f16 and bf16 both hold.
fn numbers(len: usize, seed: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 37 + seed * 11) % 61) as f32 / 32.0 - 1.0).collect()
}

fn weights(dims: &[i64], seed: usize) -> TensorProto {
    floats(dims, &numbers(dims.iter().product::<i64>() as usize, seed))
}

/// `norm(gelu(x W + b) V + x)`, spelled out.
fn block(input: DataType) -> OnnxBuilder {
    let side = SIDE as i64;
    OnnxBuilder::new()
        .input("x", input, &[-1, side])
        .constant("w", weights(&[side, 4 * side], 1))
        .constant("b", weights(&[4 * side], 2))
        .constant("v", weights(&[4 * side, side], 3))
        .constant("scale", weights(&[side], 4))
        .constant("shift", weights(&[side], 5))
        .constant("root", floats(&[], &[std::f32::consts::SQRT_2]))
        .constant("one", floats(&[], &[1.0]))
        .constant("half", floats(&[], &[0.5]))
        .node(node("MatMul", "x w", "m"))
        .node(node("Add", "m b", "n"))
        .node(node("Div", "n root", "d"))
        .node(node("Erf", "d", "e"))
        .node(node("Add", "e one", "f"))
        .node(node("Mul", "n f", "g"))
        .node(node("Mul", "g half", "h"))
        .node(node("MatMul", "h v", "o"))
        .node(node("Add", "o x", "r"))
        .node(node("LayerNormalization", "r scale shift", "y").with("axis", -1i64))
}

/// The model with all floats of a type of 16 bits.
fn in_type(model: OnnxBuilder, elem: DataType) -> ModelProto {
    let mut model = model.model();
    if let Some(graph) = &mut model.graph {
        change(graph, elem);
    }
    model
}

fn change(graph: &mut GraphProto, elem: DataType) {
    for constant in graph.initializer.iter_mut().filter(|c| c.data_type == DataType::Float as i32) {
        let bits = std::mem::take(&mut constant.float_data).into_iter().map(|number| bits(number, elem));
        *constant = TensorProto { data_type: elem as i32, int32_data: bits.collect(), ..constant.clone() };
    }
    for input in &mut graph.input {
        if let Some(TypeProto { value: Some(type_proto::Value::TensorType(own)), .. }) = &mut input.r#type
            && own.elem_type == DataType::Float as i32
        {
            own.elem_type = elem as i32;
        }
    }
    for attribute in graph.node.iter_mut().flat_map(|node| &mut node.attribute) {
        if attribute.r#type() == AttributeType::Graph
            && let Some(inner) = &mut attribute.g
        {
            change(inner, elem);
        }
    }
}

fn bits(number: f32, elem: DataType) -> i32 {
    let bits = if elem == DataType::Bfloat16 {
        bf16::from_f32(number).to_bits()
    } else {
        f16::from_f32(number).to_bits()
    };
    bits.into()
}

fn plan(model: &ModelProto) -> Plan {
    Plan::new(onnx::import(model.encode_to_vec().into(), None).unwrap().graph).unwrap()
}

/// The first output.
fn answer(plan: &Plan, inputs: Vec<Value>) -> Tensor {
    plan.run(inputs, &RunContext::default()).unwrap()[0].tensor().unwrap().clone()
}

fn operators(plan: &Plan) -> Vec<&'static str> {
    plan.nodes().map(|node| node.op_type).collect()
}

fn x<T: Element>(of: impl Fn(f32) -> T) -> Vec<Value> {
    let numbers = numbers(ROWS * SIDE, 7).into_iter().map(of).collect();
    vec![Tensor::from_vec(vec![ROWS, SIDE], numbers).unwrap().into()]
}

fn assert_rounded<T: Element + std::fmt::Debug>(plan: &Plan, round: fn(f32) -> T, full: &[f32]) {
    let rounded: Vec<T> = full.iter().copied().map(round).collect();
    assert_eq!(answer(plan, x(round)).to_vec::<T>().unwrap(), rounded);
}

#[test]
fn the_operators_are_those_of_a_file_of_f32_and_the_answer_is_its_rounded() {
    let wide = plan(&block(DataType::Float).outputs("y").model());
    let full: Vec<f32> = answer(&wide, x(|number| number)).to_vec().unwrap();
    for elem in [DataType::Float16, DataType::Bfloat16] {
        let narrow = plan(&in_type(block(DataType::Float).outputs("y"), elem));
        let ends = [vec!["Cast"], operators(&wide), vec!["Cast"]].concat();
        assert_eq!(operators(&narrow), ends);
        if elem == DataType::Float16 {
            assert_rounded(&narrow, f16::from_f32, &full);
        } else {
            assert_rounded(&narrow, bf16::from_f32, &full);
        }
    }
}

/// What converters leave whose users go on with f32: conversions at both ends.
fn between_f32() -> ModelProto {
    let model = block(DataType::Float).outputs("out");
    let mut model = in_type(model, DataType::Float16);
    let graph = model.graph.as_mut().unwrap();
    let ends = OnnxBuilder::new()
        .input("in", DataType::Float, &[-1, SIDE as i64])
        .node(node("Cast", "in", "x").with("to", DataType::Float16 as i64))
        .node(node("Cast", "y", "out").with("to", DataType::Float as i64))
        .graph();
    graph.input = ends.input;
    graph.node.extend(ends.node);
    model
}

#[test]
fn conversions_between_f16_and_f32_become_nothing() {
    let wide = plan(&block(DataType::Float).outputs("y").model());
    let narrow = plan(&between_f32());
    assert_eq!(operators(&narrow), operators(&wide));
    let [came, full] = [&narrow, &wide].map(|plan| answer(plan, x(|number| number)).to_vec::<f32>().unwrap());
    assert_eq!(came, full);
    assert_eq!(narrow.outputs().next().unwrap().name, "out");
}

#[test]
fn on_a_gpu_too() {
    let names = |model: &ModelProto| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.onnx");
        std::fs::write(&path, model.encode_to_vec()).unwrap();
        let tuning = Tuning { target: Target::Gpu, ..Tuning::default() };
        operators(&Plan::new(onnx::import_from(&Folder::of(&path), tuning).unwrap().graph).unwrap())
    };
    assert_eq!(names(&between_f32()), names(&block(DataType::Float).outputs("y").model()));
}

#[test]
fn most_floats_say_what_the_file_is_of() {
    let half = |model: ModelProto| onnx::import(model.encode_to_vec().into(), None).unwrap().graph.half;
    assert_eq!(half(block(DataType::Float).outputs("y").model()), None);
    assert_eq!(half(between_f32()), Some(ElemType::F16));
    assert_eq!(half(in_type(block(DataType::Float).outputs("y"), DataType::Bfloat16)), Some(ElemType::BF16));
    let mostly_f32 = block(DataType::Float)
        .constant("k", TensorProto { int32_data: vec![0], ..tensor(DataType::Float16, &[1]) })
        .node(node("Cast", "k", "l").with("to", DataType::Float as i64))
        .node(node("Add", "y l", "z"));
    assert_eq!(half(mostly_f32.outputs("z").model()), None);
    let without = OnnxBuilder::new().input("x", DataType::Float16, &[-1]).node(node("Exp", "x", "y"));
    assert_eq!(half(without.outputs("y").model()), Some(ElemType::F16));
}

#[test]
fn texts_have_the_digits_of_the_files_type() {
    let model = OnnxBuilder::new()
        .input("x", DataType::Float16, &[1])
        .node(node("Mul", "x x", "m"))
        .node(node("Cast", "m", "y").with("to", DataType::String as i64));
    let plan = plan(&model.outputs("y").model());
    let third = f16::from_f32(0.333);
    let came = answer(&plan, vec![Tensor::from_vec(vec![1], vec![third]).unwrap().into()]);
    let rounded = f16::from_f32(third.to_f32() * third.to_f32());
    let expected = format!("{}", rounded.to_f32());
    assert_eq!(came.view::<Text>().unwrap()[0], expected.as_bytes());
}

#[test]
fn branches_get_what_they_were_made_for() {
    let branch = |op: &str| OnnxBuilder::new().node(node(op, "d k", "t")).outputs("t").graph();
    let model = OnnxBuilder::new()
        .input("c", DataType::Bool, &[])
        .input("x", DataType::Float, &[2])
        .constant("k", floats(&[], &[4.0]))
        .node(node("Add", "x k", "d"))
        .node(node("If", "c", "i").with("then_branch", branch("Add")).with("else_branch", branch("Mul")))
        .node(node("Sub", "i k", "y"));
    let plan = plan(&in_type(model.outputs("y"), DataType::Float16));
    for (condition, expected) in [(true, [5.0, 6.0]), (false, [16.0, 20.0])] {
        let condition = Tensor::from_bools(Vec::<usize>::new(), [condition]).unwrap().into();
        let x = Tensor::from_vec(vec![2], [1.0, 2.0].map(f16::from_f32).to_vec()).unwrap().into();
        let came = answer(&plan, vec![condition, x]);
        assert_eq!(came.to_vec::<f16>().unwrap(), expected.map(f16::from_f32));
    }
}

#[test]
fn sequences_and_what_comes_out_of_them_keep_their_type() {
    let model = OnnxBuilder::new()
        .input("x", DataType::Float16, &[2])
        .constant("at", ints(&[], &[0]))
        .node(node("Add", "x x", "d"))
        .node(node("SequenceConstruct", "d x", "s"))
        .node(node("SequenceAt", "s at", "a"))
        .node(node("Add", "a d", "y"));
    let plan = plan(&model.outputs("y").model());
    let x = Tensor::from_vec(vec![2], [1.0, 2.5].map(f16::from_f32).to_vec()).unwrap().into();
    assert_eq!(answer(&plan, vec![x]).to_vec::<f16>().unwrap(), [4.0, 10.0].map(f16::from_f32));
}

#[test]
fn made_up_tensors_and_weights_handed_out_have_the_files_type() {
    let value =
        TensorProto { int32_data: vec![bits(0.5, DataType::Float16)], ..tensor(DataType::Float16, &[1]) };
    let model = OnnxBuilder::new()
        .input("x", DataType::Float, &[2])
        .constant("w", floats(&[2], &[1.0, 2.0]))
        .node(node("Shape", "x", "shape"))
        .node(node("ConstantOfShape", "shape", "c").with("value", value))
        .node(node("Add", "x c", "m"))
        .node(node("Mul", "m w", "y"));
    let plan = plan(&in_type(model.outputs("y w"), DataType::Float16));
    let x = Tensor::from_vec(vec![2], vec![f16::ONE; 2]).unwrap();
    let came = plan.run(vec![x.into()], &RunContext::default()).unwrap();
    let came: Vec<Vec<f16>> = came.iter().map(|value| value.tensor().unwrap().to_vec().unwrap()).collect();
    assert_eq!(came, [[1.5, 3.0].map(f16::from_f32), [1.0, 2.0].map(f16::from_f32)]);
}

#[test]
fn large_tables_of_which_rows_are_taken_stay_as_they_are() {
    const ROWS_OF_TABLE: i64 = 1 << 16;
    let model = || {
        OnnxBuilder::new()
            .input("i", DataType::Int64, &[-1])
            .constant("table", weights(&[ROWS_OF_TABLE, 8], 1))
            .node(node("Gather", "table i", "rows"))
            .node(node("Exp", "rows", "y"))
    };
    let half = |model: OnnxBuilder| plan(&in_type(model, DataType::Float16));
    let bytes = (ROWS_OF_TABLE * 8) as usize * 2;
    let taken = half(model().outputs("y"));
    assert_eq!(taken.constant_bytes(), bytes);
    let read = model().input("x", DataType::Float, &[8, 2]).node(node("MatMul", "table x", "z"));
    // In f32, and counted for each of its two readers.
    assert_eq!(half(read.outputs("y z")).constant_bytes(), 2 * 2 * bytes);
    let i = || vec![Tensor::from_vec(vec![2], vec![3i64, 65_000]).unwrap().into()];
    let full: Vec<f32> = answer(&plan(&model().outputs("y").model()), i()).to_vec().unwrap();
    let rounded: Vec<f16> = full.into_iter().map(f16::from_f32).collect();
    assert_eq!(answer(&taken, i()).to_vec::<f16>().unwrap(), rounded);
}
