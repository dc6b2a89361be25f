//! `DynamicQuantizeLinear`: f32 to u8 with the scale and zero point of the data's own range.

use smallvec::smallvec;

use crate::{
    error::Result,
    graph::Fact,
    ops::{
        Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed,
        math::{
            facts::{Takes, like_first},
            parallel::map,
        },
    },
    value::{ElemType, Tensor, Value},
};

pub(crate) const OPS: &[OpDef] = &[OpDef::onnx("DynamicQuantizeLinear", 11, |_| boxed(Dynamic))];

#[derive(Debug)]
struct Dynamic;

impl Op for Dynamic {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let mut facts = like_first(inputs, Takes::Floats, Some(ElemType::U8))?;
        facts.extend([Fact::known(ElemType::F32, &[]), Fact::known(ElemType::U8, &[])]);
        Ok(facts)
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let (scale, zero) = range(&input.view::<f32>()?);
        let quantized = map::<f32, u8>(input, |&x| ((x / scale).round_ties_even() + f32::from(zero)) as u8)?;
        Ok(smallvec![quantized.into(), Tensor::scalar(scale)?.into(), Value::from(Tensor::scalar(zero)?)])
    }
}

/// The scale and zero point that map the elements' range, widened to hold 0, to 0..=255.
fn range(elements: &[f32]) -> (f32, u8) {
    let (min, max) = elements.iter().fold((0f32, 0f32), |(min, max), &x| (min.min(x), max.max(x)));
    // All zero: any scale does.
    let scale = if max > min { (max - min) / 255.0 } else { 1.0 };
    (scale, (-min / scale).clamp(0.0, 255.0).round_ties_even() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_holds_zero() {
        assert_eq!(range(&[0.0, 255.0]), (1.0, 0));
        assert_eq!(range(&[-255.0, -5.0]), (1.0, 255));
        assert_eq!(range(&[]), (1.0, 0));
    }
}
