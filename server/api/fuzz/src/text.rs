//! Changes of JSON, TOML and protobuf's text format that keep most of a text as it is: tokens and what brackets hold
//! are replaced, taken out, put in again or taken from another text.

use std::ops::Range;

use libfuzzer_sys::fuzzer_mutate;

use crate::{is_blind, put, random::Random};

/// What a token is replaced by, beside tokens of the text itself.
pub type Words = &'static [&'static str];

/// Of the protocol's JSON.
pub const JSON: Words = &[
    "\"id\"",
    "\"inputs\"",
    "\"outputs\"",
    "\"parameters\"",
    "\"name\"",
    "\"datatype\"",
    "\"shape\"",
    "\"data\"",
    "\"binary_data\"",
    "\"binary_data_size\"",
    "\"binary_data_output\"",
    "\"classification\"",
    "\"priority\"",
    "\"timeout\"",
    "\"sequence_id\"",
    "\"BOOL\"",
    "\"UINT8\"",
    "\"INT64\"",
    "\"UINT64\"",
    "\"FP16\"",
    "\"BF16\"",
    "\"FP32\"",
    "\"FP64\"",
    "\"BYTES\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\u{1f600}\"",
    "NaN",
    "-Infinity",
    "Inf",
    "null",
    "true",
    "false",
    "{}",
    "[]",
    "[[]]",
    "1e308",
    "1e-400",
    "-0.0",
    "65504",
    "3.4028236e38",
    "0.1",
];

/// Of `config.pbtxt`.
pub const CONFIG: Words = &[
    "max_batch_size",
    "input",
    "output",
    "name",
    "data_type",
    "dims",
    "reshape",
    "shape",
    "optional",
    "label_filename",
    "instance_group",
    "count",
    "kind",
    "KIND_CPU",
    "KIND_GPU",
    "gpus",
    "dynamic_batching",
    "preferred_batch_size",
    "max_queue_delay_microseconds",
    "default_queue_policy",
    "priority_queue_policy",
    "priority_levels",
    "default_priority_level",
    "max_queue_size",
    "timeout_action",
    "model_warmup",
    "inputs",
    "zero_data",
    "random_data",
    "input_data_file",
    "version_policy",
    "specific",
    "latest",
    "all",
    "parameters",
    "key",
    "value",
    "string_value",
    "optimization",
    "cuda",
    "graphs",
    "TYPE_FP32",
    "TYPE_STRING",
    "TYPE_INT64",
    "TYPE_BOOL",
    "-1",
    "nan",
    "inf",
    "0x7f",
    "{}",
    "[]",
    "<>",
];

/// Of `traffic.toml` and the access file.
pub const TOML: Words = &[
    "labels",
    "rules",
    "split",
    "shadow",
    "rollout",
    "weights",
    "sticky",
    "salt",
    "header",
    "parameter",
    "equals",
    "prefix",
    "in",
    "to",
    "percent",
    "tolerance",
    "steps",
    "key",
    "certificate",
    "issuer",
    "anonymous",
    "grant",
    "claims",
    "roles",
    "models",
    "limits",
    "requests_per_second",
    "burst",
    "concurrent",
    "sha256",
    "identity",
    "jwks",
    "audience",
    "\"infer\"",
    "\"admin\"",
    "\"observe\"",
    "\"*\"",
    "\"[a-\"",
    "\"{a,b}\"",
    "nan",
    "inf",
    "-inf",
    "1e300",
    "{}",
    "[]",
    "[[",
    "]]",
    "1979-05-27",
    "'''",
];

/// Numbers at the ends of what types hold.
const NUMBERS: Words = &[
    "0",
    "1",
    "-1",
    "2",
    "127",
    "128",
    "255",
    "256",
    "32768",
    "65536",
    "2147483647",
    "4294967296",
    "4611686018427387904",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e19",
    "0.5",
];

/// The most changes of one step.
const MOST_CHANGES: usize = 4;

/// Changes the text in `data[..size]` to one of at most `max_size` bytes; gives its size.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32, words: Words) -> usize {
    let mut random = Random::new(seed.into());
    let text = std::str::from_utf8(&data[..size]).ok().filter(|_| !is_blind(&mut random));
    text.map(|text| changed(text, words, &mut random))
        .and_then(|made| put(made.as_bytes(), &mut data[..max_size]))
        .unwrap_or_else(|| fuzzer_mutate(data, size, max_size))
}

/// Puts a part of the second text into the first, in `out`; gives the size.
pub fn cross(first: &[u8], second: &[u8], out: &mut [u8], seed: u32) -> usize {
    let texts = std::str::from_utf8(first).ok().zip(std::str::from_utf8(second).ok());
    let made = texts.map(|(first, second)| crossed(first, second, &mut Random::new(seed.into())));
    made.and_then(|made| put(made.as_bytes(), out)).unwrap_or(0)
}

/// The text with a few changes.
pub(crate) fn changed(text: &str, words: Words, random: &mut Random) -> String {
    let mut text = text.to_owned();
    for _ in 0..=random.below(MOST_CHANGES) {
        let units = units(&text);
        let unit = pick(&units, random);
        let other = text[pick(&units, random)].to_owned();
        let from = if random.one_in(2) { words } else { NUMBERS };
        let word = random.pick(from);
        match random.below(8) {
            0 => text.replace_range(unit, ""),
            1 | 2 => text.replace_range(unit, &other),
            3 => text.insert_str(unit.end, &[separator(&text, random), &other].concat()),
            4 => text.insert_str(unit.end, &[separator(&text, random), word].concat()),
            _ => text.replace_range(unit, word),
        }
    }
    text
}

/// The first text with a unit of the second in the place of one of its own, or behind it.
pub(crate) fn crossed(first: &str, second: &str, random: &mut Random) -> String {
    let mut text = first.to_owned();
    let donor = &second[pick(&units(second), random)];
    let unit = pick(&units(first), random);
    match random.one_in(2) {
        true => text.replace_range(unit, donor),
        false => text.insert_str(unit.end, &[separator(first, random), donor].concat()),
    }
    text
}

/// What stands between two units of the text: a comma in JSON, mostly a line's end elsewhere.
fn separator(text: &str, random: &mut Random) -> &'static str {
    match text.starts_with('{') || random.one_in(4) {
        true => ",",
        false => random.pick(&["\n", " ", " = ", ": "]),
    }
}

fn pick(units: &[Range<usize>], random: &mut Random) -> Range<usize> {
    units.get(random.below(units.len())).cloned().unwrap_or(0..0)
}

/// Every token, and from every opening bracket to its closing one.
fn units(text: &str) -> Vec<Range<usize>> {
    let (mut units, mut open) = (Vec::new(), Vec::new());
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let end = at + token(&text[at..], first);
        match first {
            '{' | '[' | '<' => open.push(at),
            '}' | ']' | '>' => units.extend(open.pop().map(|start| start..end)),
            c if c.is_whitespace() => {}
            _ => units.push(at..end),
        }
        at = end;
    }
    units
}

/// The length of the token that the text starts with.
fn token(text: &str, first: char) -> usize {
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '+' | '.');
    match first {
        '"' | '\'' => {
            let mut escaped = false;
            let end = text.char_indices().skip(1).find(|&(_, c)| {
                let ends = c == first && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            end.map_or(text.len(), |(at, _)| at + 1)
        }
        c if word(c) => text.find(|c| !word(c)).unwrap_or(text.len()),
        c => c.len_utf8(),
    }
}
