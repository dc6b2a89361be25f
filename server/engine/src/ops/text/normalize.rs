//! `StringNormalizer`: drops stop words and changes case. Since opset 10. Case is Unicode's, whatever `locale`
//! says.

use std::collections::HashSet;

use super::utf8;
use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{ElemType, Tensor, Text},
};

pub(super) const OPS: &[OpDef] = &[OpDef::onnx("StringNormalizer", 10, parse)];

#[derive(Clone, Copy, Debug)]
enum Case {
    Kept,
    Lower,
    Upper,
}

#[derive(Debug)]
struct Normalizer {
    case: Case,
    case_sensitive: bool,
    /// In lower case where case does not count.
    stop_words: HashSet<String>,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let case = match node.string_or("case_change_action", "NONE")? {
        "NONE" => Case::Kept,
        "LOWER" => Case::Lower,
        "UPPER" => Case::Upper,
        other => {
            return Err(OpError::invalid(format!(
                "case_change_action must be NONE, LOWER or UPPER, got '{other}'"
            )));
        }
    };
    let case_sensitive = node.flag("is_case_sensitive", false)?;
    let words = node.strings("stopwords")?.unwrap_or_default();
    let stop_words =
        words.into_iter().map(|word| if case_sensitive { word } else { word.to_lowercase() }).collect();
    boxed(Normalizer { case, case_sensitive, stop_words })
}

impl Normalizer {
    fn is_stop_word(&self, text: &str) -> bool {
        if self.case_sensitive {
            return self.stop_words.contains(text);
        }
        !self.stop_words.is_empty() && self.stop_words.contains(&text.to_lowercase())
    }

    fn changed(&self, text: &Text) -> Result<Text> {
        Ok(match self.case {
            Case::Kept => text.clone(),
            Case::Lower => utf8(text)?.to_lowercase().into(),
            Case::Upper => utf8(text)?.to_uppercase().into(),
        })
    }

    fn run(&self, input: &Tensor) -> Result<Tensor> {
        if !matches!(input.shape()[..], [_] | [1, _]) {
            return Err(OpError::invalid(format!("expected strings [C] or [1, C], got {}", input.shape())));
        }
        let mut kept = Vec::new();
        for text in input.view::<Text>()?.iter() {
            if !self.is_stop_word(utf8(text)?) {
                kept.push(self.changed(text)?);
            }
        }
        if kept.is_empty() {
            kept.push(Text::new());
        }
        let shape = if input.rank() == 2 { vec![1, kept.len()] } else { vec![kept.len()] };
        Tensor::from_vec(shape, kept)
    }
}

impl Op for Normalizer {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let shape = inputs.shape(0).map(|shape| match shape.len() {
            2 => vec![SymDim::Known(1), SymDim::Unknown],
            rank => vec![SymDim::Unknown; rank],
        });
        Ok(vec![Fact::tensor(Some(ElemType::String), shape)])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        one(self.run(inputs.tensor(0)?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(case_sensitive: bool, stop: &str, texts: &[&'static str]) -> Vec<Text> {
        let words =
            Normalizer { case: Case::Upper, case_sensitive, stop_words: HashSet::from([stop.to_owned()]) };
        let texts = texts.iter().map(|text| Text::from(*text)).collect();
        words.run(&Tensor::from_vec(vec![2], texts).unwrap()).unwrap().to_vec().unwrap()
    }

    #[test]
    fn stop_words_go_before_case_changes() {
        assert_eq!(run(true, "monday", &["monday", "Monday"]), ["MONDAY"]);
        assert_eq!(run(false, "monday", &["Monday", "straße"]), ["STRASSE"]);
        assert_eq!(run(false, "monday", &["monday", "MONDAY"]), [""]);
    }

    #[test]
    fn other_shapes_are_refused() {
        let words = Normalizer { case: Case::Kept, case_sensitive: true, stop_words: HashSet::new() };
        assert!(words.run(&Tensor::from_vec(vec![2, 1], vec![Text::new(); 2]).unwrap()).is_err());
    }
}
