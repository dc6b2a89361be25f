//! Where a model's time goes, and whether its answers are those of a data set:
//!
//! ```text
//! cargo run --release -p girandole-engine --example profile -- MODEL.onnx DATA_SET_FOLDER [THREADS] [SECONDS]
//! ```
//! A part that images of a batch go through one by one is profiled with the whole batch at once.
//! The folder holds `input_N.pb` and, where there are expectations, `output_N.pb`, as ONNX's test data do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use girandole_engine::{
    graph::Node,
    onnx::{self, tensor_from_proto},
    ops::RunContext,
    plan::Plan,
    value::{Tensor, Value},
};
use girandole_kernels::pool::Pool;
use girandole_proto::onnx::TensorProto;
use prost::Message;

/// The server's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, data, rest @ ..] = &arguments[..] else { panic!("expected MODEL.onnx DATA_SET_FOLDER") };
    let number =
        |i: usize, default: f64| rest.get(i).map_or(default, |given| given.parse().expect("a number"));
    let (threads, seconds) = (number(0, 1.0) as usize, number(1, 1.0));
    let path = Path::new(model);
    let bytes = std::fs::read(path).expect("the model's file");
    let begin = Instant::now();
    let file = onnx::import(bytes.into(), path.parent()).expect("a model that loads");
    let plan = Plan::new(file.graph).expect("a model that can be planned");
    println!("loaded in {:.0} ms, {} nodes", begin.elapsed().as_secs_f64() * 1e3, plan.nodes().count());
    let inputs: Vec<Value> = tensors(Path::new(data), "input").into_iter().map(Value::Tensor).collect();
    let run = RunContext::default();
    Pool::new(threads).expect("threads").enter(|| {
        let made = plan.run(inputs.clone(), &run).expect("a run");
        for (made, expected) in made.iter().zip(tensors(Path::new(data), "output")) {
            println!("{}", compared(made.tensor().unwrap(), &expected));
        }
        let mut took = measured(seconds, || drop(plan.run(inputs.clone(), &run).expect("a run")));
        took.sort();
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        println!(
            "median {:.3} ms, least {:.3} ms of {} runs",
            ms(took[took.len() / 2]),
            ms(took[0]),
            took.len()
        );
        profile(&plan, &inputs, seconds);
    });
}

fn measured(seconds: f64, mut work: impl FnMut()) -> Vec<Duration> {
    let begin = Instant::now();
    let mut took = Vec::new();
    while took.len() < 5 || begin.elapsed().as_secs_f64() < seconds {
        let begin = Instant::now();
        work();
        took.push(begin.elapsed());
    }
    took
}

/// The time of each operator, and of the steps that take longest.
fn profile(plan: &Plan, inputs: &[Value], seconds: f64) {
    let mut steps = Vec::new();
    gather(plan, &mut steps);
    let mut least = vec![Duration::MAX; steps.len()];
    measured(seconds, || {
        let (mut last, mut step) = (Instant::now(), 0);
        let ran = plan.observed(inputs.to_vec(), &RunContext::default(), &mut |_| {
            let now = Instant::now();
            least[step] = least[step].min(now - last);
            (last, step) = (now, step + 1);
        });
        drop(ran.expect("a run"));
    });
    let mut by_op: BTreeMap<&str, (usize, Duration)> = BTreeMap::new();
    for ((_, node), time) in steps.iter().zip(&least) {
        let entry = by_op.entry(node.op_type).or_default();
        *entry = (entry.0 + 1, entry.1 + *time);
    }
    let mut ops: Vec<_> = by_op.into_iter().collect();
    ops.sort_by_key(|(_, (_, time))| std::cmp::Reverse(*time));
    for (op, (count, time)) in ops {
        println!("{:>10.1} us {count:>4} x {op}", time.as_secs_f64() * 1e6);
    }
    let mut slowest: Vec<_> = steps.iter().zip(&least).collect();
    slowest.sort_by_key(|(_, time)| std::cmp::Reverse(**time));
    for (node, time) in slowest.into_iter().take(25) {
        let ((plan, node), us) = (node, time.as_secs_f64() * 1e6);
        let shape = node.outputs.iter().flatten().next().and_then(|id| plan.value(*id).fact.shape.clone());
        println!("{us:>10.1} us {} {} {shape:?}", node.op_type, node.name);
    }
}

/// The nodes that run, in order, each with its plan: those of a body in the place of its node.
fn gather<'a>(plan: &'a Plan, into: &mut Vec<(&'a Plan, &'a Node)>) {
    for node in plan.nodes() {
        match node.op.body() {
            Some(body) => gather(body, into),
            None => into.push((plan, node)),
        }
    }
}

fn tensors(folder: &Path, kind: &str) -> Vec<Tensor> {
    let path = |i: usize| folder.join(format!("{kind}_{i}.pb"));
    let files = (0..).map(path).take_while(|path| path.exists());
    files
        .map(|path| {
            let bytes = std::fs::read(path).expect("a data set's file");
            let proto = TensorProto::decode(&bytes[..]).expect("a tensor");
            tensor_from_proto(&proto, None).expect("a tensor that the engine has")
        })
        .collect()
}

fn compared(made: &Tensor, expected: &Tensor) -> String {
    let (Ok(made), Ok(expected)) = (made.to_vec::<f32>(), expected.to_vec::<f32>()) else {
        return "not compared: not f32".into();
    };
    let error = |(a, b): (&f32, &f32)| (a - b).abs() / (1e-5 + 1e-3 * b.abs());
    let worst = made.iter().zip(&expected).map(error).fold(0.0, f32::max);
    let same = made.len() == expected.len() && worst <= 1.0;
    format!("{}: worst error {worst:.4} of what is allowed", if same { "equal" } else { "DIFFERENT" })
}
