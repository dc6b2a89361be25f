//! Weights of one direction, gates interleaved: for each register of units, their gates side by side.

use super::Cell;
use crate::{
    Misfit,
    gemm::{self, Weights},
    huge::Huge,
    isa::Isa,
    simd,
};

/// The weights of one direction as ONNX has them.
#[derive(Clone, Copy, Debug)]
pub struct Parameters<'a> {
    /// What a unit computes.
    pub cell: Cell,
    /// Elements of a step's input.
    pub input: usize,
    /// Units.
    pub hidden: usize,
    /// `[gates x hidden, input]`.
    pub weights: &'a [f32],
    /// `[gates x hidden, hidden]`.
    pub recurrent: &'a [f32],
    /// The input's and the recurrence's biases, `[2, gates x hidden]`.
    pub bias: Option<&'a [f32]>,
}

/// The weights of one direction, packed.
#[derive(Debug)]
pub struct Packed {
    cell: Cell,
    input: usize,
    hidden: usize,
    isa: Isa,
    lanes: usize,
    /// `[input, panels x gates x lanes]`.
    weights: gemm::Packed,
    /// Added to the input's products: `[panels x gates x lanes]`.
    bias: Vec<f32>,
    /// `[panels][hidden][gates x lanes]`.
    recurrent: Huge<f32>,
    /// Added to the candidate's recurrent product of a GRU: `[panels x lanes]`.
    late_bias: Vec<f32>,
}

impl Packed {
    /// Packs weights for `isa`.
    ///
    /// # Errors
    /// Where lengths do not fit.
    pub fn new(isa: Isa, parameters: &Parameters<'_>) -> Result<Self, Misfit> {
        let Parameters { cell, input, hidden, weights, recurrent, bias } = *parameters;
        let (gates, (_, lanes)) = (cell.gates(), simd::tile_widths(isa));
        let wide = gates.checked_mul(hidden).ok_or(Misfit("the weights"))?;
        if wide.checked_mul(input) != Some(weights.len()) {
            return Err(Misfit("the weights"));
        }
        if wide.checked_mul(hidden) != Some(recurrent.len()) {
            return Err(Misfit("the recurrent weights"));
        }
        if bias.is_some_and(|bias| bias.len() != 2 * wide) {
            return Err(Misfit("the bias"));
        }
        let order = Order { hidden, gates, lanes };
        let (bias, late_bias) = biases(cell, order, bias);
        let turned = order.turned(weights, input);
        let weights = gemm::Packed::new(isa, &Weights::rows(&turned, input, order.columns()))?;
        let recurrent = panels(order, recurrent);
        Ok(Self { cell, input, hidden, isa, lanes, weights, bias, recurrent, late_bias })
    }

    /// What a unit computes.
    pub const fn cell(&self) -> Cell {
        self.cell
    }

    /// Elements of a step's input.
    pub const fn input(&self) -> usize {
        self.input
    }

    /// Units.
    pub const fn hidden(&self) -> usize {
        self.hidden
    }

    /// Bytes taken.
    pub fn bytes(&self) -> usize {
        self.weights.bytes()
            + (self.recurrent.len() + self.bias.len() + self.late_bias.len()) * size_of::<f32>()
    }

    /// Whether both can be directions of one layer.
    pub(super) fn alike(&self, other: &Self) -> bool {
        self.cell == other.cell
            && (self.input, self.hidden, self.isa) == (other.input, other.hidden, other.isa)
    }

    pub(super) const fn isa(&self) -> Isa {
        self.isa
    }

    pub(super) const fn lanes(&self) -> usize {
        self.lanes
    }

    /// Registers of units.
    pub(super) const fn panels(&self) -> usize {
        self.hidden.div_ceil(self.lanes)
    }

    /// Columns of the input's products.
    pub(super) const fn columns(&self) -> usize {
        self.panels() * self.cell.gates() * self.lanes
    }

    pub(super) const fn weights(&self) -> &gemm::Packed {
        &self.weights
    }

    pub(super) fn bias(&self) -> &[f32] {
        &self.bias
    }

    /// The recurrent weights of a panel, `[hidden][gates x lanes]`.
    pub(super) fn panel(&self, panel: usize) -> *const f32 {
        let each = self.hidden * self.cell.gates() * self.lanes;
        self.recurrent.as_ptr().wrapping_add(panel * each)
    }

    /// The late bias of a panel, `[lanes]`.
    pub(super) const fn late(&self, panel: usize) -> *const f32 {
        self.late_bias.as_ptr().wrapping_add(panel * self.lanes)
    }
}

/// Which gate of which unit a column is.
#[derive(Clone, Copy)]
struct Order {
    hidden: usize,
    gates: usize,
    lanes: usize,
}

impl Order {
    const fn columns(self) -> usize {
        self.hidden.div_ceil(self.lanes) * self.gates * self.lanes
    }

    /// The row of ONNX's weights that a column is, `None` beyond the last unit.
    fn row(self, column: usize) -> Option<usize> {
        let (panel, within) = (column / (self.gates * self.lanes), column % (self.gates * self.lanes));
        let (gate, unit) = (within / self.lanes, panel * self.lanes + within % self.lanes);
        (unit < self.hidden).then_some(gate * self.hidden + unit)
    }

    /// `[gates x hidden, depth]` as `[depth, columns]`.
    fn turned(self, weights: &[f32], depth: usize) -> Vec<f32> {
        let columns = self.columns();
        let mut out = vec![0.0; depth * columns];
        for (column, row) in (0..columns).filter_map(|column| Some((column, self.row(column)?))) {
            for (k, weight) in weights[row * depth..(row + 1) * depth].iter().enumerate() {
                out[k * columns + column] = *weight;
            }
        }
        out
    }
}

/// The recurrent weights panel by panel.
fn panels(order: Order, recurrent: &[f32]) -> Huge<f32> {
    let (hidden, width) = (order.hidden, order.gates * order.lanes);
    Huge::new(order.columns() * hidden, |data| {
        for column in 0..order.columns() {
            let Some(row) = order.row(column) else { continue };
            let panel = column / width * hidden * width + column % width;
            for (k, weight) in recurrent[row * hidden..(row + 1) * hidden].iter().enumerate() {
                data[panel + k * width] = *weight;
            }
        }
    })
}

/// What is added to the input's products, and what a GRU adds to its candidate's recurrent product.
fn biases(cell: Cell, order: Order, bias: Option<&[f32]>) -> (Vec<f32>, Vec<f32>) {
    let units = order.columns() / order.gates;
    let late_len = if cell == Cell::Gru { units } else { 0 };
    let (mut early, mut late) = (vec![0.0; order.columns()], vec![0.0; late_len]);
    let Some((input, recurrent)) = bias.map(|bias| bias.split_at(bias.len() / 2)) else {
        return (early, late);
    };
    for (column, to) in early.iter_mut().enumerate() {
        let Some(row) = order.row(column) else { continue };
        let candidate = cell == Cell::Gru && row >= 2 * order.hidden;
        *to = input[row] + if candidate { 0.0 } else { recurrent[row] };
    }
    for (to, from) in late.iter_mut().zip(recurrent.iter().skip(2 * order.hidden)) {
        *to = *from;
    }
    (early, late)
}
