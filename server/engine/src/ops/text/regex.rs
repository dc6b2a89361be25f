//! `RegexFullMatch`: whether a pattern matches all of each string, in time linear in its length. Since opset
//! 20.

use ::regex::Regex;

use super::utf8;
use crate::{
    error::{OpError, Result},
    graph::Fact,
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{ElemType, Tensor, Text},
};

pub(super) const OPS: &[OpDef] = &[OpDef::onnx("RegexFullMatch", 20, parse)];

#[derive(Debug)]
struct FullMatch(Regex);

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    boxed(FullMatch(anchored(node.required_string("pattern")?)?))
}

/// The pattern, to match from the first character to the last.
fn anchored(pattern: &str) -> Result<Regex> {
    let refused = |error: ::regex::Error| OpError::invalid(format!("pattern '{pattern}': {error}"));
    // By itself first, so that no pattern closes the group around it.
    Regex::new(pattern).map_err(refused)?;
    Regex::new(&format!("\\A(?:{pattern})\\z")).map_err(refused)
}

impl Op for FullMatch {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        Ok(vec![Fact::tensor(Some(ElemType::Bool), inputs.shape(0).cloned())])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let texts = input.view::<Text>()?;
        let matched =
            texts.iter().map(|text| Ok(self.0.is_match(utf8(text)?))).collect::<Result<Vec<_>>>()?;
        one(Tensor::from_bools(input.shape().clone(), matched)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_match_is_of_the_whole_string() {
        let regex = anchored("a|ab").unwrap();
        assert!(regex.is_match("ab") && regex.is_match("a"));
        assert!(!regex.is_match("abc") && !regex.is_match("xa") && !regex.is_match("a\n"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for pattern in ["a)(b", "(", "a{1000}{1000}{1000}"] {
            assert!(anchored(pattern).is_err(), "{pattern}");
        }
    }
}
