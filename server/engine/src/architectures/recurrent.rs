//! Recurrent networks of ours: `nn.LSTM` or `nn.GRU` with `batch_first`, and layers on the last step or on every
//! step.
//!
//! PyTorch has the gates of an LSTM in the order i, f, g, o, ONNX in i, o, f, c; those of a GRU in r, z, n and in
//! z, r, h. <https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html>

use girandole_proto::onnx::tensor_proto::DataType;
use serde::{Deserialize, de::IgnoredAny};

use super::{
    document::{Document, only},
    layers::within,
    network::{Network, Size, Value, signed},
    perceptron::Names,
    sequential::{self, Rows, Step},
};
use crate::{
    error::{OpError, Result},
    ops::function::{int, ints, string},
};

/// A `config.json` of `model_type` `girandole-lstm` or `girandole-gru`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(rename = "model_type")]
    _model_type: IgnoredAny,
    #[serde(default = "Names::input")]
    input: String,
    #[serde(default = "Names::output")]
    output: String,
    /// What the names of the cells' tensors begin with.
    #[serde(default)]
    recurrent: String,
    #[serde(default = "one")]
    num_layers: usize,
    #[serde(default)]
    bidirectional: bool,
    #[serde(default)]
    steps: Steps,
    #[serde(default)]
    head: Vec<Step>,
}

const fn one() -> usize {
    1
}

/// The steps whose states are handed on.
#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Steps {
    #[default]
    Last,
    All,
}

/// A kind of cells.
struct Cell {
    operator: &'static str,
    /// The place in PyTorch's tensors of each of ONNX's gates.
    gates: &'static [usize],
}

const LSTM: Cell = Cell { operator: "LSTM", gates: &[0, 3, 1, 2] };
const GRU: Cell = Cell { operator: "GRU", gates: &[1, 0, 2] };

/// Builds a network of LSTM cells: `[batch, sequence, features]` of `f32` to `[batch, features]`, or to a row for
/// each step.
///
/// # Errors
/// `Invalid` naming the field or the tensor that does not fit.
pub(super) fn lstm(document: &Document, network: &mut Network<'_>) -> Result<()> {
    build(document, network, &LSTM)
}

/// As [`lstm`], of GRU cells.
///
/// # Errors
/// As [`lstm`].
pub(super) fn gru(document: &Document, network: &mut Network<'_>) -> Result<()> {
    build(document, network, &GRU)
}

fn build(document: &Document, network: &mut Network<'_>, cell: &Cell) -> Result<()> {
    let config: Config = document.parse()?;
    only("num_layers", config.num_layers > 0, "1 or more")?;
    let stack = Stack::new(network, &config, cell)?;
    let shape = [Size::Free("batch_size"), Size::Free("sequence_length"), Size::Fixed(stack.input)];
    let input = network.input(&config.input, DataType::Float, &shape);
    network.enter(&config.recurrent);
    let by_step = network.call_with("Transpose", &[&input], vec![ints("perm", &[1, 0, 2])]);
    let states = (0..config.num_layers).try_fold(by_step, |x, number| stack.layer(network, number, &x))?;
    let states = network.call_with("Transpose", &[&states], vec![ints("perm", &[1, 0, 2])]);
    let rows = match config.steps {
        Steps::All => Rows { value: states, rank: 3, width: stack.width() },
        Steps::Last => {
            let last = network.int(-1);
            let value = network.call_with("Gather", &[&states, &last], vec![int("axis", 1)]);
            Rows { value, rank: 2, width: stack.width() }
        }
    };
    let rows = sequential::build(network, &config.head, rows)?;
    network.output(&config.output, &rows.value);
    Ok(())
}

/// The cells of all layers.
struct Stack<'a> {
    config: &'a Config,
    cell: &'a Cell,
    /// Features of a step.
    input: usize,
    hidden: usize,
}

impl<'a> Stack<'a> {
    /// Sizes are those of the first layer's weights, `[gates x hidden, input]`.
    fn new(network: &Network<'_>, config: &'a Config, cell: &'a Cell) -> Result<Self> {
        let name = within(&config.recurrent, "weight_ih_l0");
        let gates = cell.gates.len();
        match *network.named(&name)? {
            [wide, input] if wide > 0 && wide.is_multiple_of(gates) => {
                Ok(Self { config, cell, input, hidden: wide / gates })
            }
            ref shape => Err(OpError::invalid(format!(
                "tensor '{name}' has shape {shape:?}, expected [{gates} x hidden, input] of {}",
                cell.operator
            ))),
        }
    }

    const fn directions(&self) -> &'static [&'static str] {
        if self.config.bidirectional { &["", "_reverse"] } else { &[""] }
    }

    /// Numbers of a step's state.
    const fn width(&self) -> usize {
        self.directions().len() * self.hidden
    }

    /// `[sequence, batch, features]` to `[sequence, batch, width]`.
    fn layer(&self, network: &mut Network<'_>, number: usize, x: &Value) -> Result<Value> {
        let wide = self.cell.gates.len() * self.hidden;
        let features = if number == 0 { self.input } else { self.width() };
        let bias = within(&self.config.recurrent, &format!("bias_ih_l{number}"));
        let biased = network.shape(&bias).is_some();
        let kinds: &[(&[&str], &[usize])] = &[
            (&["weight_ih"], &[wide, features]),
            (&["weight_hh"], &[wide, self.hidden]),
            (&["bias_ih", "bias_hh"], &[wide]),
        ];
        let mut inputs = vec![x.clone()];
        for (kinds, shape) in &kinds[..if biased { 3 } else { 2 }] {
            inputs.push(self.of_directions(network, kinds, number, shape)?);
        }
        network.enter(&self.config.recurrent);
        let direction = if self.config.bidirectional { "bidirectional" } else { "forward" };
        let mut attributes = vec![string("direction", direction), int("hidden_size", signed(self.hidden))];
        if self.cell.operator == GRU.operator {
            attributes.push(int("linear_before_reset", 1));
        }
        let inputs: Vec<&Value> = inputs.iter().collect();
        let steps = network.call_with(self.cell.operator, &inputs, attributes);
        if !self.config.bidirectional {
            let axis = network.ints(&[1]);
            return Ok(network.call("Squeeze", &[&steps, &axis]));
        }
        let turned = network.call_with("Transpose", &[&steps], vec![ints("perm", &[0, 2, 1, 3])]);
        let shape = network.ints(&[0, 0, signed(self.width())]);
        Ok(network.call("Reshape", &[&turned, &shape]))
    }

    /// Tensors of each direction, those of several kinds one after the other, with ONNX's order of gates.
    fn of_directions(
        &self,
        network: &mut Network<'_>,
        kinds: &[&str],
        number: usize,
        shape: &[usize],
    ) -> Result<Value> {
        let first = network.ints(&[0]);
        let mut all = Vec::new();
        for direction in self.directions() {
            let mut parts = Vec::new();
            for kind in kinds {
                let name = within(&self.config.recurrent, &format!("{kind}_l{number}{direction}"));
                let tensor = network.weight(&name, shape)?;
                parts.extend(self.reordered(network, &tensor));
            }
            let joined = join(network, &parts);
            all.push(network.call("Unsqueeze", &[&joined, &first]));
        }
        Ok(join(network, &all))
    }

    fn reordered(&self, network: &mut Network<'_>, tensor: &Value) -> Vec<Value> {
        let gates = self.cell.gates;
        let count = vec![int("axis", 0), int("num_outputs", signed(gates.len()))];
        let parts = network.many("Split", &[tensor], count, gates.len());
        gates.iter().map(|&gate| parts[gate].clone()).collect()
    }
}

/// Values one after the other along the first dimension.
fn join(network: &mut Network<'_>, parts: &[Value]) -> Value {
    let parts: Vec<&Value> = parts.iter().collect();
    network.call_with("Concat", &parts, vec![int("axis", 0)])
}
