//! `DynamicQuantizeLSTM`: an `LSTM` whose weights are bytes, `[directions, inputs, 4 hidden]` (turned, as
//! against ONNX's). The weights become floats when the model is loaded; the sums are those of floats.

use girandole_proto::onnx::tensor_proto::DataType;

use crate::{
    error::Result,
    onnx::NodeDef,
    ops::function::{Body, FunctionDef, int, ints},
};

pub(super) const FUNCTIONS: &[FunctionDef] = &[FunctionDef::microsoft("DynamicQuantizeLSTM", expand)];

fn expand(_node: &NodeDef<'_>, body: &mut Body<'_>) -> Result<()> {
    let (w, r) = (weights(body, 1, 8)?, weights(body, 2, 10)?);
    let rest: Vec<String> = (3..8).map(|i| body.optional(i)).collect();
    let x = body.input(0)?;
    let inputs: Vec<&str> = [&x[..], &w, &r].into_iter().chain(rest.iter().map(String::as_str)).collect();
    let attributes = body.attributes_but(&[]);
    let made = body.many("LSTM", &inputs, attributes, 3);
    made.iter().enumerate().for_each(|(i, value)| body.give(i, value));
    Ok(())
}

/// Input `i`, whose scale is input `scale` and zero point the next, one for a direction or each column.
fn weights(body: &mut Body<'_>, i: usize, scale: usize) -> Result<String> {
    let by_direction = body.ints(&[0, 1, -1]);
    let to_f32 = || vec![int("to", DataType::Float as i64)];
    let spread = body.call("Reshape", &[&body.input(scale)?, &by_direction]);
    let zero = body.call_with("Cast", &[&body.input(scale + 1)?], to_f32());
    let zero = body.call("Reshape", &[&zero, &by_direction]);
    let codes = body.call_with("Cast", &[&body.input(i)?], to_f32());
    let centred = body.call("Sub", &[&codes, &zero]);
    let scaled = body.call("Mul", &[&centred, &spread]);
    Ok(body.call_with("Transpose", &[&scaled], vec![ints("perm", &[0, 2, 1])]))
}
