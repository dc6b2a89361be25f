//! A helper's loop: take tasks, spin for a moment when there are none, then sleep.

use std::{
    hint,
    time::{Duration, Instant},
};

use super::job::Board;

/// How long a helper stays awake after its last task while a caller is inside: the gaps between two kernels.
const WITHIN_A_RUN: Duration = Duration::from_micros(500);

/// How long it stays awake after the caller has left: the next batch may be there already.
const BETWEEN_RUNS: Duration = Duration::from_micros(50);

/// Turns between two looks at the clock.
const TURNS: u32 = 64;

/// Runs until the board is closed.
pub(super) fn run(board: &Board) {
    while !board.is_closed() {
        if board.step() {
            continue;
        }
        if !spin(board) {
            board.sleep();
        }
    }
}

/// Waits for a task, awake, and runs it; false where none came in time.
fn spin(board: &Board) -> bool {
    let begin = Instant::now();
    loop {
        for _ in 0..TURNS {
            if board.step() {
                return true;
            }
            hint::spin_loop();
        }
        let patience = if board.is_occupied() { WITHIN_A_RUN } else { BETWEEN_RUNS };
        if begin.elapsed() > patience || board.is_closed() {
            return false;
        }
    }
}
