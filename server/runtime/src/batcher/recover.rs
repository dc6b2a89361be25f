//! What happens to the requests of a batch that failed: a pure decision.
//!
//! One caller's bad input must not cost the others their answers, so a batch of several is run again in
//! smaller parts where that can help; models are pure functions, so running a request twice changes nothing.
//! - `InvalidArgument`: each request alone. The engine says that some input is wrong, not whose.
//! - `OutOfMemory`: in halves, down to single requests. A smaller batch needs less.
//! - `Internal` (a panic, say): in halves, once. That saves half of the callers from a poisonous input, while
//!   a session that always fails costs two more runs and not one for every request.
//!
//! Every part is smaller than the whole, so this ends.

use girandole_core::ErrorCode;

/// How often the requests of a batch were tried before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Stage {
    /// Never.
    #[default]
    First,
    /// They are a part of a batch that failed.
    Part,
}

/// How many of the requests each new batch gets, or `None` where the failure is final.
pub(crate) fn part_size(code: ErrorCode, requests: usize, stage: Stage) -> Option<usize> {
    let half = requests.div_ceil(2);
    match (code, stage) {
        _ if requests < 2 => None,
        (ErrorCode::InvalidArgument | ErrorCode::TooLarge, _) => Some(1),
        (ErrorCode::OutOfMemory, _) | (ErrorCode::Internal, Stage::First) => Some(half),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_batch_is_run_again_in_parts_where_that_helps() {
        use ErrorCode::{Internal, InvalidArgument, OutOfMemory, Unavailable};
        for (code, requests, stage, expected) in [
            (InvalidArgument, 5, Stage::First, Some(1)),
            (InvalidArgument, 5, Stage::Part, Some(1)),
            (InvalidArgument, 1, Stage::First, None),
            (OutOfMemory, 5, Stage::First, Some(3)),
            (OutOfMemory, 2, Stage::Part, Some(1)),
            (OutOfMemory, 1, Stage::Part, None),
            (Internal, 4, Stage::First, Some(2)),
            (Internal, 2, Stage::Part, None),
            (Unavailable, 4, Stage::First, None),
        ] {
            assert_eq!(part_size(code, requests, stage), expected, "{code:?} {requests} {stage:?}");
        }
    }
}
