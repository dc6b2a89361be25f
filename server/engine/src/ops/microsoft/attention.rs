//! `Attention`, `QAttention` and `MultiHeadAttention`.

use crate::{
    error::{OpError, Result},
    graph::SymDim,
    onnx::NodeDef,
    ops::function::{Body, FunctionDef, int},
};

use super::{
    heads::{Operands, Scoring, attend, split},
    mask::Mask,
};

pub(super) const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::microsoft("Attention", attention),
    FunctionDef::microsoft("QAttention", quantized),
    FunctionDef::microsoft("MultiHeadAttention", multi_head),
];

fn attention(node: &NodeDef<'_>, body: &mut Body<'_>) -> Result<()> {
    let mut all = body.call("MatMul", &[&body.input(0)?, &body.input(1)?]);
    if node.has_input(2) {
        all = body.call("Add", &[&all, &body.input(2)?]);
    }
    let (mask, past, bias) = (body.optional(3), body.optional(4), body.optional(5));
    from_joined(node, body, &all, (mask, past, bias))
}

/// Input, weights and their products are bytes.
fn quantized(node: &NodeDef<'_>, body: &mut Body<'_>) -> Result<()> {
    let inputs = [0, 1, 3, 4, 6, 7, 2].map(|i| body.optional(i));
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let all = body.microsoft("MatMulIntegerToFloat", &inputs);
    let (mask, past) = (body.optional(5), body.optional(8));
    from_joined(node, body, &all, (mask, past, String::new()))
}

/// Attention of queries, keys and values that lie side by side in `all`.
fn from_joined(
    node: &NodeDef<'_>,
    body: &mut Body<'_>,
    all: &str,
    (mask_input, past, bias): (String, String, String),
) -> Result<()> {
    for name in ["do_rotary", "past_present_share_buffer"] {
        if node.flag(name, false)? {
            return Err(OpError::unsupported(format!("attribute '{name}' is not supported")));
        }
    }
    let heads = heads(node)?;
    let parts = match node.ints("qkv_hidden_sizes")? {
        Some(sizes) if sizes.len() == 3 => {
            let sizes = body.ints(&sizes);
            body.many("Split", &[all, &sizes], vec![int("axis", -1)], 3)
        }
        Some(_) => return Err(OpError::invalid("attribute 'qkv_hidden_sizes' must hold 3 sizes")),
        None => body.many("Split", &[all], vec![int("axis", -1), int("num_outputs", 3)], 3),
    };
    let [query, key, value] = [0, 1, 2].map(|i| split(body, &parts[i], heads));
    let mut operands = Operands { query, key, value };
    if !past.is_empty() {
        let pair = body.many("Split", &[&past], vec![int("axis", 0), int("num_outputs", 2)], 2);
        let first = body.ints(&[0]);
        let [key, value] = [0, 1].map(|i| body.call("Squeeze", &[&pair[i], &first]));
        prepend(body, &mut operands, (&key, &value));
    }
    if node.has_output(1) {
        let first = body.ints(&[0]);
        let key = body.call("Unsqueeze", &[&operands.key, &first]);
        let value = body.call("Unsqueeze", &[&operands.value, &first]);
        let present = body.call_with("Concat", &[&key, &value], vec![int("axis", 0)]);
        body.give(1, &present);
    }
    let mask_inputs = [all.to_owned(), all.to_owned(), past, mask_input];
    let y = attend(body, &operands, &scoring(node, mask_inputs, bias)?);
    body.give(0, &y);
    Ok(())
}

/// Queries, keys and values come apart; keys and values of rank 4 are split into heads already.
fn multi_head(node: &NodeDef<'_>, body: &mut Body<'_>) -> Result<()> {
    if !node.has_input(1) || !node.has_input(2) {
        return Err(OpError::unsupported("packed keys and values are not supported"));
    }
    if node.has_input(8) || node.has_input(9) || node.has_output(3) {
        return Err(OpError::unsupported("caches of one buffer and scores as output are not supported"));
    }
    let heads = heads(node)?;
    let mut inputs = [body.input(0)?, body.input(1)?, body.input(2)?];
    if node.has_input(3) {
        let parts = body.many("Split", &[&body.input(3)?], vec![int("axis", 0), int("num_outputs", 3)], 3);
        for (i, (input, part)) in inputs.iter_mut().zip(&parts).enumerate() {
            if node.input_fact(i)?.rank() != Some(4) {
                *input = body.call("Add", &[input, part]);
            }
        }
    }
    let mut apart = |i: usize| {
        let is_apart = node.input_fact(i)?.rank() == Some(4);
        Ok::<_, OpError>(if is_apart { inputs[i].clone() } else { split(body, &inputs[i], heads) })
    };
    let mut operands = Operands { query: apart(0)?, key: apart(1)?, value: apart(2)? };
    let mut past = String::new();
    if node.has_input(6) && node.has_input(7) {
        past = body.input(6)?;
        let values = body.input(7)?;
        prepend(body, &mut operands, (&past, &values));
    }
    body.give(1, &operands.key);
    body.give(2, &operands.value);
    let mask_inputs = [body.input(0)?, body.input(1)?, past, body.optional(4)];
    let y = attend(body, &operands, &scoring(node, mask_inputs, body.optional(5))?);
    body.give(0, &y);
    Ok(())
}

/// Keys and values of earlier places come first.
fn prepend(body: &mut Body<'_>, operands: &mut Operands, (key, value): (&str, &str)) {
    operands.key = body.call_with("Concat", &[key, &operands.key], vec![int("axis", 2)]);
    operands.value = body.call_with("Concat", &[value, &operands.value], vec![int("axis", 2)]);
}

fn heads(node: &NodeDef<'_>) -> Result<i64> {
    let heads = node.required_int("num_heads")?;
    if heads > 0 {
        Ok(heads)
    } else {
        Err(OpError::invalid(format!("num_heads must be above 0, got {heads}")))
    }
}

fn scoring(node: &NodeDef<'_>, mask_inputs: [String; 4], bias: String) -> Result<Scoring> {
    let given = node.float("scale")?.filter(|&scale| scale != 0.0);
    Ok(Scoring {
        scale: given.or(usual_scale(node)?),
        elem: node.input_elem(0)?.filter(|elem| elem.is_float()),
        mask: Mask {
            causal: node.flag("unidirectional", false)?,
            filter: node.float_or("mask_filter_value", -10_000.0)?,
        },
        mask_inputs,
        bias,
    })
}

/// One over the root of a head's size, where the model fixes the size of the input's last dimension.
fn usual_scale(node: &NodeDef<'_>) -> Result<Option<f32>> {
    if node.has("qkv_hidden_sizes") {
        return Ok(None);
    }
    let joined = node.op_type() != "MultiHeadAttention";
    let fact = node.input_fact(usize::from(joined))?;
    let last = fact.shape.as_ref().filter(|shape| shape.len() < 4).and_then(|shape| shape.last());
    let Some(size) = last.and_then(SymDim::known) else { return Ok(None) };
    let heads = heads(node)? as f32 * if joined { 3.0 } else { 1.0 };
    Ok(Some((heads / size as f32).sqrt()))
}
