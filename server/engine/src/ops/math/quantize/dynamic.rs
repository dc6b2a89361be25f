//! `DynamicQuantizeLinear`: f32 to u8 with the scale and zero point of the data's own range.

use girandole_kernels::integer;
use smallvec::smallvec;

use crate::{
    error::Result,
    graph::Fact,
    ops::{
        Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed,
        math::facts::{Takes, like_first},
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
        let elements = input.view::<f32>()?;
        let range = integer::range(&elements);
        let quantized = Tensor::from_vec(input.shape().clone(), integer::quantize(&elements, range))?;
        let (scale, zero) = (Tensor::scalar(range.scale)?, Tensor::scalar(range.zero)?);
        Ok(smallvec![quantized.into(), scale.into(), Value::from(zero)])
    }
}
