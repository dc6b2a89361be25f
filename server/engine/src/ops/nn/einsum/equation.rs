//! The equation: which axes of the operands share a label, and which labels the output has.

use crate::error::{OpError, Result};

/// An axis of the whole sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Label {
    /// One of those that the ellipsis stands for, counted from the last.
    Dots(usize),
    /// A letter.
    Letter(u8),
}

/// A part of one side of the equation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Letter(u8),
    Ellipsis,
}

/// An equation as written, its output explicit.
#[derive(Debug)]
pub(super) struct Equation {
    terms: Vec<Vec<Part>>,
    output: Vec<Part>,
}

/// The labels of every axis of operands of known ranks.
#[derive(Debug)]
pub(super) struct Labels {
    pub(super) terms: Vec<Vec<Label>>,
    pub(super) output: Vec<Label>,
}

impl Equation {
    /// Reads an equation; blanks count for nothing.
    ///
    /// # Errors
    /// `Invalid` for what is no equation.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let malformed = |why: &str| OpError::invalid(format!("equation '{text}': {why}"));
        let (left, right) = text.split_once("->").map_or((&text[..], None), |(l, r)| (l, Some(r)));
        let terms = left.split(',').map(parts).collect::<Option<Vec<_>>>();
        let terms =
            terms.ok_or_else(|| malformed("expected letters, commas and at most one ... for a term"))?;
        let output = match right {
            None => implicit(&terms),
            Some(right) => parts(right).ok_or_else(|| malformed("expected letters behind ->"))?,
        };
        for (i, part) in output.iter().enumerate() {
            if output[..i].contains(part) {
                return Err(malformed("a label stands twice behind ->"));
            }
            // An ellipsis of no axes is no part of any operand.
            if *part != Part::Ellipsis && !terms.iter().flatten().any(|own| own == part) {
                return Err(malformed("a label behind -> is in no operand"));
            }
        }
        Ok(Self { terms, output })
    }

    /// # Errors
    /// `Invalid` where there are more or fewer operands than terms.
    pub(super) fn check_count(&self, operands: usize) -> Result<()> {
        match self.terms.len() {
            terms if terms == operands => Ok(()),
            terms => Err(OpError::invalid(format!("an equation of {terms} terms, but {operands} operands"))),
        }
    }

    /// The labels of operands of these ranks.
    ///
    /// # Errors
    /// `Invalid` where a rank does not fit its term.
    pub(super) fn labels(&self, ranks: &[usize]) -> Result<Labels> {
        let terms = self.terms.iter().zip(ranks).map(|(parts, &rank)| labels_of(parts, rank));
        let terms = terms.collect::<Result<Vec<_>>>()?;
        let dots = |label: &Label| if let Label::Dots(i) = label { i + 1 } else { 0 };
        let widest = terms.iter().flatten().map(dots).max().unwrap_or(0);
        let output = self.output.iter().flat_map(|part| expand(*part, widest)).collect();
        Ok(Labels { terms, output })
    }
}

/// The parts of one term; `None` for what is none.
fn parts(term: &str) -> Option<Vec<Part>> {
    let (before, after) = term.split_once("...").map_or((term, None), |(b, a)| (b, Some(a)));
    let letters = |text: &str| {
        let letter = |b: u8| b.is_ascii_alphabetic().then_some(Part::Letter(b));
        text.bytes().map(letter).collect::<Option<Vec<_>>>()
    };
    let mut all = letters(before)?;
    if let Some(after) = after {
        all.push(Part::Ellipsis);
        all.extend(letters(after)?);
    }
    Some(all)
}

/// The output of an equation without one: the ellipsis, then the labels that stand once, by the alphabet.
fn implicit(terms: &[Vec<Part>]) -> Vec<Part> {
    let all = || terms.iter().flatten().copied();
    let ellipsis = all().find(|&part| part == Part::Ellipsis);
    let mut letters: Vec<u8> =
        all().filter_map(|part| if let Part::Letter(letter) = part { Some(letter) } else { None }).collect();
    letters.sort_unstable();
    let once = letters.chunk_by(|a, b| a == b).filter(|run| run.len() == 1);
    ellipsis.into_iter().chain(once.map(|run| Part::Letter(run[0]))).collect()
}

fn labels_of(parts: &[Part], rank: usize) -> Result<Vec<Label>> {
    let letters = parts.iter().filter(|part| **part != Part::Ellipsis).count();
    let has_dots = letters < parts.len();
    let dots = rank.checked_sub(letters).filter(|&dots| dots == 0 || has_dots).ok_or_else(|| {
        OpError::invalid(format!("a term of {letters} labels does not fit an operand of rank {rank}"))
    })?;
    Ok(parts.iter().flat_map(|part| expand(*part, dots)).collect())
}

/// The labels of a part, where the ellipsis stands for `dots` axes.
fn expand(part: Part, dots: usize) -> Vec<Label> {
    match part {
        Part::Letter(letter) => vec![Label::Letter(letter)],
        Part::Ellipsis => (0..dots).rev().map(Label::Dots).collect(),
    }
}
