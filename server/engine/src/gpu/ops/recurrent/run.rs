//! All steps of one direction of a layer: in one kernel, or a product and a small kernel a step.

use girandole_cuda::{Grid, Pointer, arguments};

use super::{Parameters, Sizes, product};
use crate::{
    error::Result,
    gpu::{context::Context, dtype::Dtype, tensor::DeviceTensor},
    value::ElemType,
};

/// All steps of one direction.
pub(super) struct Run<'a> {
    pub(super) context: &'a Context,
    pub(super) sizes: Sizes,
    pub(super) backwards: bool,
    pub(super) weights: &'a Parameters,
    /// The inputs' part of the gates.
    pub(super) gates: &'a DeviceTensor,
    /// Hidden and cell state before the first step.
    pub(super) first: [Option<DeviceTensor>; 2],
    /// The hidden state of every step.
    pub(super) all: DeviceTensor,
    /// Hidden and cell state after the last.
    pub(super) last: [DeviceTensor; 2],
    /// Elements of the gates from one sequence, and from one step, to the next.
    pub(super) from_step: [usize; 2],
    /// Elements of the results likewise.
    pub(super) to_step: [usize; 2],
}

impl Run<'_> {
    /// The name of the kernel that keeps this many units on the chip.
    const fn on_chip(&self) -> Option<&'static str> {
        match self.sizes.hidden {
            32 => Some("32"),
            64 => Some("64"),
            128 => Some("128"),
            _ => None,
        }
    }

    /// Sequences of a block: few enough that many blocks work at once.
    fn rows(&self) -> usize {
        const PROCESSORS: usize = 132;
        match self.sizes.batch {
            rows if rows <= PROCESSORS => 1,
            _ => 2,
        }
    }

    fn at(tensor: &Option<DeviceTensor>) -> Option<Pointer> {
        tensor.as_ref().map(DeviceTensor::at)
    }

    fn grid(&self, gates: usize) -> Grid {
        let (rows, hidden) = (self.rows(), self.sizes.hidden);
        let threads = u32::try_from(gates * hidden).unwrap_or(1024);
        Grid::each(self.sizes.batch.div_ceil(rows), threads).with_shared(shared_bytes(gates, hidden, rows))
    }

    /// From one sequence, and from one step, to the next: of the gates, and of the results.
    fn strides(&self) -> [i64; 4] {
        let ([x_batch, x_step], [y_batch, y_step]) = (self.from_step, self.to_step);
        [x_batch, x_step, y_batch, y_step].map(|stride| stride as i64)
    }

    pub(super) fn lstm(&self) -> Result<()> {
        let Some(units) = self.on_chip() else { return self.step_by_step(4) };
        let Sizes { batch, steps, .. } = self.sizes;
        let [x_batch, x_step, y_batch, y_step] = self.strides();
        let [hidden, cell] = &self.last;
        let arguments = arguments![
            self.gates.at(),
            self.weights.recurrent.at(),
            Self::at(&self.first[0]),
            Self::at(&self.first[1]),
            self.all.at(),
            hidden.at(),
            cell.at(),
            batch,
            steps,
            x_batch,
            x_step,
            y_batch,
            y_step,
            self.backwards,
            self.rows(),
        ];
        self.context.launch("lstm_sequence", units, self.grid(4), &arguments)
    }

    pub(super) fn gru(&self) -> Result<()> {
        let Some(units) = self.on_chip() else { return self.step_by_step(3) };
        let Sizes { batch, steps, .. } = self.sizes;
        let [x_batch, x_step, y_batch, y_step] = self.strides();
        let arguments = arguments![
            self.gates.at(),
            self.weights.recurrent.at(),
            Self::at(&self.weights.candidate),
            Self::at(&self.first[0]),
            self.all.at(),
            self.last[0].at(),
            batch,
            steps,
            x_batch,
            x_step,
            y_batch,
            y_step,
            self.backwards,
            self.rows(),
        ];
        self.context.launch("gru_sequence", units, self.grid(3), &arguments)
    }

    /// A product and a small kernel for each step.
    fn step_by_step(&self, gates: usize) -> Result<()> {
        let Sizes { steps, batch, hidden, .. } = self.sizes;
        let wide = gates * hidden;
        let size = size_of::<f32>();
        let recurrent = self.context.empty(ElemType::F32, Dtype::F32, &[batch, wide])?;
        let [x_row, x_step] = self.from_step;
        let [y_row, y_step] = self.to_step;
        let (mut state, mut cell) = (self.first[0].clone(), Self::at(&self.first[1]));
        for number in 0..steps {
            let step = if self.backwards { steps - 1 - number } else { number };
            let from = self.gates.at().offset(step * x_step * size);
            let to = self.all.at().offset(step * y_step * size);
            let mut before = None;
            if let Some(state) = &state {
                product(
                    self.context,
                    state,
                    &self.weights.recurrent,
                    None,
                    &recurrent,
                    [batch, wide, hidden],
                )?;
                before = Some(recurrent.at());
            }
            let [hidden_last, cell_last] = &self.last;
            let grid = Grid::over(batch * hidden);
            let (x_row, y_row) = (x_row as i64, y_row as i64);
            if gates == 4 {
                let arguments = arguments![
                    from,
                    before,
                    cell,
                    cell_last.at(),
                    hidden_last.at(),
                    to,
                    batch,
                    hidden,
                    x_row,
                    y_row
                ];
                self.context.launch("lstm_cell", "f32", grid, &arguments)?;
            } else {
                let arguments = arguments![
                    from,
                    before,
                    Self::at(&self.weights.candidate),
                    state.as_ref().map(DeviceTensor::at),
                    hidden_last.at(),
                    to,
                    batch,
                    hidden,
                    x_row,
                    y_row
                ];
                self.context.launch("gru_cell", "f32", grid, &arguments)?;
            }
            state = Some(hidden_last.walked(&[batch, hidden], &[hidden.cast_signed(), 1], 0));
            cell = Some(cell_last.at());
        }
        Ok(())
    }
}

/// The shared memory of a block of the kernels that keep weights on the chip: `lstm_shared_floats` and
/// `gru_shared_floats` of `kernels/recurrent.cu`.
fn shared_bytes(gates: usize, hidden: usize, rows: usize) -> u32 {
    /// Threads that share a row of an LSTM's weights, and what their sums lie apart beyond the units.
    const SPLITS: usize = 4;
    const SPARE: usize = 8;
    let floats = if gates == 4 {
        let columns = hidden / SPLITS;
        let in_registers = match (hidden, rows) {
            (..=64, _) => columns,
            (_, ..=2) => 24,
            _ => 16,
        };
        (columns - in_registers) * gates * SPLITS * hidden
            + rows * hidden
            + rows * SPLITS * gates * (hidden + SPARE)
    } else {
        rows * gates * hidden
    };
    u32::try_from(floats * size_of::<f32>()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_memory_is_what_the_kernels_assert() {
        let lstm = [(32, 1), (64, 1), (128, 1), (128, 2), (128, 4)]
            .map(|(hidden, rows)| shared_bytes(4, hidden, rows));
        assert_eq!(lstm, [2688, 4864, 74_752, 83_968, 167_936]);
        assert_eq!(shared_bytes(3, 128, 2), 2 * 3 * 128 * 4);
    }
}
