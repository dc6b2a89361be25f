//! `Optional`, `OptionalHasElement`, `OptionalGetElement`. Since opset 15; bare tensors and sequences since 18.

use std::sync::Arc;

use smallvec::smallvec;

use crate::{
    error::{OpError, Result},
    graph::Fact,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{Bool, ElemType, Tensor, Value},
};

pub(super) const OPS: &[OpDef] = &[
    OpDef::onnx("Optional", 15, |_| boxed(Optional::Make)),
    OpDef::onnx("OptionalHasElement", 15, |_| boxed(Optional::Has)),
    OpDef::onnx("OptionalGetElement", 15, |_| boxed(Optional::Get)),
];

#[derive(Debug)]
enum Optional {
    Make,
    Has,
    Get,
}

impl Op for Optional {
    fn infer(&self, _inputs: &Facts<'_>, outputs: usize) -> Result<Vec<Fact>> {
        let fact = if matches!(self, Self::Has) { Fact::known(ElemType::Bool, &[]) } else { Fact::default() };
        Ok(vec![fact; outputs])
    }

    fn eval(&self, mut inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let given = inputs.take(0).ok();
        match self {
            Self::Make if matches!(given, Some(Value::Optional(_))) => {
                Err(OpError::invalid("an optional holds a tensor or a sequence, got an optional"))
            }
            Self::Make => Ok(smallvec![Value::Optional(given.map(Arc::new))]),
            Self::Has => {
                let has = given.is_some_and(|value| !matches!(value, Value::Optional(None)));
                one(Tensor::scalar(Bool::new(has))?)
            }
            Self::Get => match given {
                Some(Value::Optional(Some(value))) => Ok(smallvec![Arc::unwrap_or_clone(value)]),
                Some(Value::Optional(None)) | None => Err(OpError::invalid("the optional is empty")),
                Some(value) => Ok(smallvec![value]),
            },
        }
    }
}
