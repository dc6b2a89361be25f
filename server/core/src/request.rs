//! One inference request and its answer, the same for every protocol.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{Headers, Route, Tensor};

/// A value of the protocols' free-form parameter maps.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Parameter {
    Bool(bool),
    I64(i64),
    U64(u64),
    F64(f64),
    String(String),
}

/// Free-form parameters by key; the reserved keys are already parsed into fields.
pub type Parameters = BTreeMap<String, Parameter>;

/// Which version a caller asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub enum VersionSelector {
    /// The server's choice: what the routing says, else the newest that serves.
    #[default]
    Any,
    /// Exactly this version.
    Number(u64),
    /// The version that a label points to.
    Label(String),
}

impl VersionSelector {
    /// Reads a protocol's version field: empty is any, digits are a number, the rest is a label.
    pub fn parse(text: &str) -> Self {
        match text {
            "" => Self::Any,
            _ => text.parse().map_or_else(|_| Self::Label(text.to_owned()), Self::Number),
        }
    }
}

impl std::fmt::Display for VersionSelector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Any => f.write_str("any version"),
            Self::Number(number) => write!(f, "version {number}"),
            Self::Label(label) => write!(f, "version label '{label}'"),
        }
    }
}

/// A priority as clients give it: 0 asks for the model's default, 1 is the highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Priority(pub u64);

/// A tensor under its name.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    /// The input's or output's name in the model.
    pub name: String,
    /// Its value.
    pub tensor: Tensor,
    /// Free-form parameters, such as the class labels' own.
    pub parameters: Parameters,
}

impl NamedTensor {
    /// A tensor under `name` without parameters.
    pub fn new(name: impl Into<String>, tensor: Tensor) -> Self {
        Self { name: name.into(), tensor, parameters: Parameters::new() }
    }
}

/// An output that the caller asks for.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RequestedOutput {
    /// The output's name in the model.
    pub name: String,
    /// Triton's classification extension: answer the top N as `value:index[:label]` strings.
    pub classification: Option<usize>,
}

/// A request as the runtime takes it, whatever protocol brought it.
#[derive(Clone, Debug, Default)]
pub struct InferRequest {
    /// The model's name.
    pub model: String,
    /// The version asked for.
    pub version: VersionSelector,
    /// The caller's identifier, echoed in the response.
    pub id: String,
    /// The inputs, in the caller's order.
    pub inputs: Vec<NamedTensor>,
    /// The outputs asked for; empty asks for all.
    pub outputs: Vec<RequestedOutput>,
    /// Where in the queue it goes.
    pub priority: Priority,
    /// How long it may wait in the queue, where the model's queue policy allows callers to say so.
    pub queue_timeout: Option<Duration>,
    /// When the caller stops waiting for the answer (a gRPC deadline, say).
    pub deadline: Option<Instant>,
    /// What remains of the protocol's parameters.
    pub parameters: Parameters,
    /// What came with the call beside the request, for the traffic's rules and keys.
    pub headers: Option<Arc<dyn Headers>>,
}

/// The answer to one request.
#[derive(Clone, Debug, PartialEq)]
pub struct InferResponse {
    /// The model's name.
    pub model: String,
    /// The version that answered.
    pub version: u64,
    /// Why that version.
    pub route: Route,
    /// The request's identifier.
    pub id: String,
    /// The outputs, in the order asked for, else in the model's.
    pub outputs: Vec<NamedTensor>,
    /// Free-form parameters.
    pub parameters: Parameters,
}

impl InferRequest {
    /// The payload's bytes, for budgets.
    pub fn payload_bytes(&self) -> usize {
        self.inputs.iter().map(|input| input.tensor.data().len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_any_a_number_or_a_label() {
        assert_eq!(VersionSelector::parse(""), VersionSelector::Any);
        assert_eq!(VersionSelector::parse("12"), VersionSelector::Number(12));
        assert_eq!(VersionSelector::parse("canary"), VersionSelector::Label("canary".into()));
    }
}
