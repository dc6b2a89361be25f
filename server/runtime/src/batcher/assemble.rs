//! Requests into a batch: a gather list of their own bytes. Nothing is copied here.

use girandole_core::{Batch, BatchInput};

use super::message::Message;

/// The batch of these requests, which all [fit](Message::fits) each other. Without a batch dimension it is
/// the first one's.
pub(crate) fn assemble(messages: &[Message], batches: bool) -> Batch {
    let Some(first) = messages.first() else {
        return Batch { rows: 0, inputs: Vec::new(), outputs: Vec::new() };
    };
    let rows = if batches { messages.iter().map(|message| message.rows).sum() } else { 1 };
    let inputs = first.inputs.iter().enumerate().map(|(position, input)| BatchInput {
        index: input.index,
        dtype: input.tensor.dtype(),
        shape: if batches { input.tensor.shape().with_rows(rows) } else { input.tensor.shape().clone() },
        parts: messages
            .iter()
            .filter_map(|message| message.inputs.get(position))
            .map(|input| input.tensor.data().clone())
            .collect(),
    });
    Batch { rows, inputs: inputs.collect(), outputs: union(messages) }
}

/// Every output that somebody asked for, ascending.
fn union(messages: &[Message]) -> Vec<usize> {
    let mut outputs: Vec<_> = messages.iter().flat_map(|message| message.outputs.iter().copied()).collect();
    outputs.sort_unstable();
    outputs.dedup();
    outputs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batcher::testing::{message, spec};

    #[test]
    fn parts_are_the_requests_own_bytes() {
        let spec = spec(8);
        let (a, _a) = message(&spec, &[1, 2]);
        let (b, _b) = message(&spec, &[3]);
        let own: Vec<_> = [&a, &b].map(|m| m.inputs[0].tensor.data().as_ptr()).to_vec();
        let batch = assemble(&[a, b], true);
        assert_eq!((batch.rows, &batch.inputs[0].shape[..]), (3, &[3, 1][..]));
        assert_eq!(batch.inputs[0].parts.iter().map(|part| part.as_ptr()).collect::<Vec<_>>(), own);
    }

    #[test]
    fn outputs_are_what_anybody_asked_for() {
        let spec = spec(8);
        let (mut a, _a) = message(&spec, &[1]);
        let (mut b, _b) = message(&spec, &[2]);
        (a.outputs, b.outputs) = (vec![2, 0], vec![3, 2]);
        assert_eq!(assemble(&[a, b], true).outputs, [0, 2, 3]);
    }
}
