//! Parameters that are attributes in older operator sets and inputs in newer ones.

use crate::{
    error::{OpError, Result},
    onnx::NodeDef,
    ops::{Facts, Inputs},
};

/// A list of integers of a node.
#[derive(Clone, Debug)]
pub(super) enum IntList {
    /// The attribute's; `None` where it is left out.
    Fixed(Option<Vec<i64>>),
    /// Those of this input, which may be left out.
    Input(usize),
}

impl IntList {
    /// The attribute `name` before `input_since`, from then on input `input`.
    ///
    /// # Errors
    /// `Invalid` where the attribute has another type.
    pub(super) fn parse(node: &NodeDef<'_>, name: &str, input: usize, input_since: u32) -> Result<Self> {
        if node.opset() >= input_since {
            return Ok(Self::Input(input));
        }
        node.ints(name).map(Self::Fixed)
    }

    /// The integers, `None` where they are left out.
    ///
    /// # Errors
    /// `Invalid` where the input holds no integers.
    pub(super) fn get(&self, inputs: &Inputs) -> Result<Option<Vec<i64>>> {
        match self {
            Self::Fixed(list) => Ok(list.clone()),
            Self::Input(i) => inputs.opt_tensor(*i)?.map(crate::value::Tensor::to_ints).transpose(),
        }
    }

    /// The integers, which the operator cannot do without.
    ///
    /// # Errors
    /// `Invalid` where they are left out.
    pub(super) fn required(&self, inputs: &Inputs, name: &str) -> Result<Vec<i64>> {
        self.get(inputs)?.ok_or_else(|| OpError::invalid(format!("'{name}' is missing")))
    }

    /// What is known of them when the model loads.
    pub(super) fn known(&self, facts: &Facts<'_>) -> Known {
        match self {
            Self::Fixed(Some(list)) => Known::Given(list.clone()),
            Self::Fixed(None) => Known::LeftOut,
            Self::Input(i) => facts
                .get(*i)
                .map_or(Known::LeftOut, |fact| fact.constant_ints().map_or(Known::Later, Known::Given)),
        }
    }
}

/// What is known of a parameter when the model loads.
#[derive(Clone, Debug)]
pub(super) enum Known {
    /// These values.
    Given(Vec<i64>),
    /// It is left out.
    LeftOut,
    /// Only a run knows it.
    Later,
}

impl Known {
    /// The values, `Some(None)` where they are left out; `None` where only a run knows them.
    pub(super) fn given(self) -> Option<Option<Vec<i64>>> {
        match self {
            Self::Given(list) => Some(Some(list)),
            Self::LeftOut => Some(None),
            Self::Later => None,
        }
    }

    /// The values, or `default` where they are left out; `None` where only a run knows them.
    pub(super) fn or(self, default: impl FnOnce() -> Vec<i64>) -> Option<Vec<i64>> {
        match self {
            Self::Given(list) => Some(list),
            Self::LeftOut => Some(default()),
            Self::Later => None,
        }
    }
}
