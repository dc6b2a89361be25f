//! Changes of JSON, TOML and protobuf's text format that keep most of a text as it is: tokens and what brackets hold
//! are replaced, taken out, put in again or taken from another text.

use std::ops::Range;

use libfuzzer_sys::fuzzer_mutate;

use crate::{is_blind, put, random::Random, words};

/// What a token is replaced by, beside tokens of the text itself: words with blanks between them.
pub type Words = &'static str;

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
        let from = if random.one_in(2) { words } else { words::NUMBERS };
        let from: Vec<&str> = from.split_whitespace().collect();
        let word = random.pick(&from);
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
