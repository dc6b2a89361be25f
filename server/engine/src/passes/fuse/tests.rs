//! Patterns as files spell them: what is fused, into how many nodes, and that its answers stay.

use girandole_kernels::math::Function;

use crate::{
    Tuning,
    graph::{Fact, Graph, Node, SymDim, ValueId, ValueInfo},
    ops::{
        Op, RunContext,
        fused::{activation::Activation, linear::Linear},
        math::{
            binary::{
                arithmetic::Arithmetic::{self, Add, Div, Mul},
                power::Pow,
            },
            unary::clip::Clip,
        },
        nn::{gemm::Gemm, matmul::MatMul},
    },
    passes::{self, Folding, Place, rewrite::operator},
    plan::Plan,
    value::{ElemType, Tensor, Value},
};

/// A graph of one input `x`, `[batch, 8]`, that grows node by node.
struct Net {
    graph: Graph,
    x: ValueId,
}

const SIDE: usize = 8;

impl Net {
    fn new() -> Self {
        let mut graph = Graph::default();
        let shape = vec![SymDim::Symbol("batch".into()), SymDim::Known(SIDE)];
        let fact = Fact::tensor(Some(ElemType::F32), Some(shape));
        let x = graph.add_value(ValueInfo { name: "x".into(), fact });
        graph.inputs.push(x);
        Self { graph, x }
    }

    fn constant(&mut self, shape: &[usize], numbers: Vec<f32>) -> ValueId {
        let value = Value::Tensor(Tensor::from_vec(shape, numbers).unwrap());
        self.graph.add_value(ValueInfo { name: "c".into(), fact: Fact::of_constant(&value) })
    }

    fn number(&mut self, number: f32) -> ValueId {
        self.constant(&[], vec![number])
    }

    /// Numbers without a pattern.
    fn weights(&mut self, shape: &[usize]) -> ValueId {
        let len = shape.iter().product::<usize>();
        self.constant(shape, (0..len).map(|i| ((i * 37 + 11) % 23) as f32 / 16.0 - 0.7).collect())
    }

    fn node(&mut self, op: impl Op + 'static, inputs: &[ValueId]) -> ValueId {
        let made = self.graph.add_value(ValueInfo::default());
        let inputs = inputs.iter().copied().map(Some).collect();
        let name = format!("node {}", self.graph.nodes.len());
        self.graph.nodes.push(Node {
            name,
            op_type: "",
            op: Box::new(op),
            inputs,
            outputs: vec![Some(made)],
        });
        made
    }

    fn f(&mut self, function: Function, x: ValueId) -> ValueId {
        self.node(Activation(function), &[x])
    }

    /// An operation with a fixed number.
    fn by(&mut self, op: Arithmetic, x: ValueId, number: f32) -> ValueId {
        let number = self.number(number);
        self.node(op, &[x, number])
    }

    /// Runs every pass.
    fn pass(&mut self) {
        passes::run(&mut self.graph, Place::Model, &Folding::default(), Tuning::default()).unwrap();
    }

    fn answer(self) -> Vec<Vec<f32>> {
        let x = Tensor::from_vec(&[3, SIDE][..], (0..3 * SIDE).map(|i| i as f32 / 3.0 - 4.0).collect());
        let made = Plan::new(self.graph).unwrap().run(vec![x.unwrap().into()], &RunContext::default());
        made.unwrap().iter().map(|value| value.tensor().unwrap().to_vec::<f32>().unwrap()).collect()
    }
}

/// The debug forms of what is left after the passes, having checked that the answers are the same.
fn fused(build: impl Fn(&mut Net) -> Vec<ValueId>) -> Vec<String> {
    let make = || {
        let mut net = Net::new();
        net.graph.outputs = build(&mut net);
        net
    };
    let (plain, mut changed) = (make().answer(), make());
    changed.pass();
    let left = changed.graph.nodes.iter().map(|node| format!("{:?}", node.op)).collect();
    for (plain, changed) in plain.iter().zip(changed.answer()) {
        assert_eq!(plain.len(), changed.len());
        for (a, b) in plain.iter().zip(changed) {
            assert!((a - b).abs() <= 1e-5 * a.abs().max(1.0), "{a} became {b}");
        }
    }
    left
}

fn is_one(build: impl Fn(&mut Net) -> ValueId, function: Function) {
    assert_eq!(fused(|net| vec![build(net)]), [format!("{:?}", Activation(function))]);
}

const ROOT_HALF: f32 = std::f32::consts::FRAC_1_SQRT_2;

/// `1 + erf(x / sqrt 2)`.
fn erf_gate(net: &mut Net) -> ValueId {
    let inner = net.by(Div, net.x, std::f32::consts::SQRT_2);
    let erf = net.f(Function::Erf, inner);
    net.by(Add, erf, 1.0)
}

#[test]
fn gelu_in_any_order() {
    let function = Function::Gelu;
    is_one(
        |net| {
            let gate = erf_gate(net);
            let product = net.node(Mul, &[net.x, gate]);
            net.by(Mul, product, 0.5)
        },
        function,
    );
    is_one(
        |net| {
            let gate = erf_gate(net);
            let half = net.by(Mul, net.x, 0.5);
            net.node(Mul, &[half, gate])
        },
        function,
    );
    is_one(
        |net| {
            let gate = erf_gate(net);
            let half = net.by(Mul, gate, 0.5);
            net.node(Mul, &[half, net.x])
        },
        function,
    );
    is_one(
        |net| {
            let inner = net.by(Mul, net.x, ROOT_HALF);
            let erf = net.f(Function::Erf, inner);
            let one = net.number(1.0);
            let gate = net.node(Add, &[one, erf]);
            let half = net.by(Div, net.x, 2.0);
            net.node(Mul, &[gate, half])
        },
        function,
    );
}

#[test]
fn gelu_by_tanh() {
    let slope = (2.0f32 / std::f32::consts::PI).sqrt();
    let gated = |net: &mut Net, argument: ValueId| {
        let tanh = net.f(Function::Tanh, argument);
        let gate = net.by(Add, tanh, 1.0);
        let half = net.by(Mul, net.x, 0.5);
        net.node(Mul, &[half, gate])
    };
    let by_power = |net: &mut Net| {
        let three = net.number(3.0);
        let cube = net.node(Pow, &[net.x, three]);
        let cube = net.by(Mul, cube, 0.044_715);
        let sum = net.node(Add, &[net.x, cube]);
        let argument = net.by(Mul, sum, slope);
        gated(net, argument)
    };
    is_one(by_power, Function::GeluTanh);
    let by_factors = |net: &mut Net| {
        let square = net.node(Mul, &[net.x, net.x]);
        let scaled = net.by(Mul, square, 0.044_715);
        let bracket = net.by(Add, scaled, 1.0);
        let line = net.by(Mul, net.x, slope);
        let argument = net.node(Mul, &[line, bracket]);
        gated(net, argument)
    };
    is_one(by_factors, Function::GeluTanh);
}

#[test]
fn gates_of_other_kinds() {
    let silu = |net: &mut Net| {
        let gate = net.f(Function::Sigmoid, net.x);
        net.node(Mul, &[gate, net.x])
    };
    is_one(silu, Function::Silu { scale: 1.0 });
    let quick = |net: &mut Net| {
        let inner = net.by(Mul, net.x, 1.702);
        let gate = net.f(Function::Sigmoid, inner);
        net.node(Mul, &[net.x, gate])
    };
    is_one(quick, Function::Silu { scale: 1.702 });
    let mish = |net: &mut Net| {
        let inner = net.f(Function::Softplus, net.x);
        let gate = net.f(Function::Tanh, inner);
        net.node(Mul, &[net.x, gate])
    };
    is_one(mish, Function::Mish);
}

/// `clip(x + 3, 0, 6)`.
fn clipped(net: &mut Net) -> ValueId {
    let line = net.by(Add, net.x, 3.0);
    let (low, high) = (net.number(0.0), net.number(6.0));
    net.node(Clip { min: None, max: None }, &[line, low, high])
}

#[test]
fn hard_activations() {
    let sigmoid = |net: &mut Net| {
        let gate = clipped(net);
        net.by(Div, gate, 6.0)
    };
    is_one(sigmoid, Function::HardSigmoid { slope: 1.0 / 6.0, offset: 0.5 });
    is_one(
        move |net| {
            let gate = sigmoid(net);
            net.node(Mul, &[net.x, gate])
        },
        Function::HardSwish,
    );
    let late = |net: &mut Net| {
        let gate = clipped(net);
        let product = net.node(Mul, &[net.x, gate]);
        net.by(Div, product, 6.0)
    };
    is_one(late, Function::HardSwish);
    is_one(
        |net| net.node(Clip { min: Some(-1.0), max: None }, &[net.x]),
        Function::Clip { low: -1.0, high: f32::INFINITY },
    );
}

#[test]
fn what_only_looks_like_an_activation_stays() {
    let off = |net: &mut Net| {
        let gate = erf_gate(net);
        let product = net.node(Mul, &[net.x, gate]);
        vec![net.by(Mul, product, 0.25)]
    };
    assert_eq!(fused(off).len(), 5);
    let other = |net: &mut Net| {
        let gate = net.f(Function::Sigmoid, net.x);
        let double = net.by(Add, net.x, 1.0);
        vec![net.node(Mul, &[gate, double])]
    };
    assert_eq!(fused(other).len(), 3);
}

fn product(net: &mut Net, x: ValueId) -> ValueId {
    let weights = net.weights(&[SIDE, SIDE]);
    net.node(MatMul, &[x, weights])
}

fn is_linear(left: &[String], count: usize) {
    assert!(left.len() == count && left.iter().all(|op| op.starts_with("Linear")), "{left:?}");
}

#[test]
fn a_product_takes_in_what_follows() {
    let block = |net: &mut Net| {
        let first = product(net, net.x);
        let bias = net.weights(&[SIDE]);
        let first = net.node(Add, &[bias, first]);
        let first = net.f(Function::Gelu, first);
        let second = product(net, first);
        let bias = net.weights(&[1, SIDE]);
        let second = net.node(Add, &[second, bias]);
        let sum = net.node(Add, &[net.x, second]);
        vec![net.f(Function::RELU, sum)]
    };
    is_linear(&fused(block), 2);
}

#[test]
fn gemm_with_everything() {
    let gemm = |net: &mut Net, c: &[usize], beta: f32| {
        let (weights, c) = (net.weights(&[5, SIDE]), net.weights(c));
        net.node(Gemm { alpha: 0.5, beta, turn_a: false, turn_b: true }, &[net.x, weights, c])
    };
    for c in [&[5][..], &[1, 5], &[1], &[]] {
        is_linear(
            &fused(|net| {
                let made = gemm(net, c, 2.0);
                vec![net.f(Function::Tanh, made)]
            }),
            1,
        );
    }
    is_linear(&fused(|net| vec![gemm(net, &[3, 5], 1.0)]), 1);
    is_linear(&fused(|net| vec![gemm(net, &[3, 1], 1.0)]), 1);
    assert!(fused(|net| vec![gemm(net, &[3, 5], 2.0)])[0].starts_with("Gemm"));
}

#[test]
fn what_broadcasts_is_added_all_the_same() {
    let broadcast = |net: &mut Net| {
        let (made, column) = (product(net, net.x), net.weights(&[2, 1, SIDE]));
        let sum = net.node(Add, &[made, column]);
        vec![net.f(Function::RELU, sum)]
    };
    is_linear(&fused(broadcast), 1);
}

#[test]
fn what_somebody_else_reads_is_not_swallowed() {
    let read_twice = |net: &mut Net| {
        let made = product(net, net.x);
        let applied = net.f(Function::RELU, made);
        vec![net.node(Add, &[made, applied])]
    };
    assert_eq!(fused(read_twice).len(), 3);
    let output = |net: &mut Net| {
        let made = product(net, net.x);
        vec![made, net.f(Function::RELU, made)]
    };
    assert_eq!(fused(output).len(), 2);
}

/// Layers that share a weight in the file share what is packed of it, however many they are.
#[test]
fn products_with_one_weight_share_what_is_packed() {
    let mut net = Net::new();
    let weights = net.weights(&[SIDE, SIDE]);
    let mut last = net.x;
    for _ in 0..300 {
        last = net.node(MatMul, &[last, weights]);
    }
    net.graph.outputs.push(last);
    net.pass();
    let products: Vec<_> = net.graph.nodes.iter().filter_map(operator::<Linear>).collect();
    assert_eq!(products.len(), 300);
    assert!(products.iter().all(|product| product.shares_weights(products[0])));
}
