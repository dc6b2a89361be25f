//! `StringSplit`: the parts of each string along a new last dimension, filled up with empty strings, and how
//! many they are. Since opset 20.

use smallvec::smallvec;

use super::utf8;
use crate::{
    error::Result,
    graph::{Fact, SymDim},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed},
    value::{ElemType, Tensor, Text, checked_len},
};

pub(super) const OPS: &[OpDef] = &[OpDef::onnx("StringSplit", 20, parse)];

#[derive(Debug)]
struct StringSplit {
    /// `None` is any white space, of any length.
    delimiter: Option<String>,
    /// The most parts.
    most: usize,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let delimiter = node.string_or("delimiter", "")?;
    // A negative number of splits is no limit.
    let splits = node.int("maxsplit")?.and_then(|splits| usize::try_from(splits).ok());
    boxed(StringSplit {
        delimiter: Some(delimiter.to_owned()).filter(|delimiter| !delimiter.is_empty()),
        most: splits.map_or(usize::MAX, |splits| splits.saturating_add(1)),
    })
}

impl StringSplit {
    fn parts<'a>(&self, text: &'a str) -> Vec<&'a str> {
        if let Some(delimiter) = &self.delimiter {
            return text.splitn(self.most, delimiter.as_str()).collect();
        }
        let mut parts = Vec::new();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let end = rest.find(char::is_whitespace).filter(|_| parts.len() + 1 < self.most);
            let (part, behind) = rest.split_at(end.unwrap_or(rest.len()));
            parts.push(part);
            rest = behind.trim_start();
        }
        parts
    }

    fn run(&self, input: &Tensor) -> Result<Outputs> {
        let texts = input.view::<Text>()?;
        let split = |text: &Text| {
            let parts = self.parts(utf8(text)?);
            Ok(parts.into_iter().map(|part| text.slice_ref(part.as_bytes())).collect::<Vec<_>>())
        };
        let all = texts.iter().map(split).collect::<Result<Vec<Vec<Text>>>>()?;
        let widest = all.iter().map(Vec::len).max().unwrap_or(0);
        let counts: Vec<i64> = all.iter().map(|parts| parts.len() as i64).collect();
        let shape = [&input.shape()[..], &[widest]].concat();
        let mut out = Vec::with_capacity(checked_len::<Text>(&shape)?);
        for mut parts in all {
            parts.resize(widest, Text::new());
            out.append(&mut parts);
        }
        let counts = Tensor::from_vec(input.shape().clone(), counts)?;
        Ok(smallvec![Tensor::from_vec(shape, out)?.into(), counts.into()])
    }
}

impl Op for StringSplit {
    fn infer(&self, inputs: &Facts<'_>, outputs: usize) -> Result<Vec<Fact>> {
        let shape = inputs.shape(0);
        let parts = shape.map(|shape| [&shape[..], &[SymDim::Unknown]].concat());
        let facts =
            [Fact::tensor(Some(ElemType::String), parts), Fact::tensor(Some(ElemType::I64), shape.cloned())];
        Ok(facts.into_iter().take(outputs).collect())
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        self.run(inputs.tensor(0)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(delimiter: &str, most: usize, text: &str) -> Vec<String> {
        let delimiter = Some(delimiter.to_owned()).filter(|d| !d.is_empty());
        StringSplit { delimiter, most }.parts(text).into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn parts_are_those_of_python() {
        assert_eq!(parts(",", usize::MAX, "a,,b"), ["a", "", "b"]);
        assert_eq!(parts(",", 2, "a,b,c"), ["a", "b,c"]);
        assert_eq!(parts(",", usize::MAX, ""), [""]);
        assert_eq!(parts("", usize::MAX, "  a \t b\u{a0}c "), ["a", "b", "c"]);
        assert_eq!(parts("", 2, " a  b  c "), ["a", "b  c "]);
        assert_eq!(parts("", usize::MAX, " "), Vec::<String>::new());
    }

    #[test]
    fn shorter_rows_are_filled_up() {
        let input = Tensor::from_vec(vec![2], vec![Text::from("a b"), Text::from("c")]).unwrap();
        let outputs = StringSplit { delimiter: None, most: usize::MAX }.run(&input).unwrap();
        let parts = outputs[0].tensor().unwrap();
        assert_eq!(
            (&parts.shape()[..], &parts.to_vec::<Text>().unwrap()[..]),
            (&[2, 2][..], &["a", "b", "c", ""].map(Text::from)[..])
        );
        assert_eq!(outputs[1].tensor().unwrap().to_vec::<i64>().unwrap(), [2, 1]);
    }
}
