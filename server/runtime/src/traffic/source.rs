//! Where a rule or a sticky key looks: a header (REST), metadata (gRPC) or a parameter of the request.

use std::{borrow::Cow, fmt};

use girandole_core::{InferRequest, Parameter};

/// One place to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A header of the call or key of its metadata, in lower case.
    Header(String),
    /// A parameter of the request.
    Parameter(String),
}

impl Source {
    /// A header; names of headers have no case.
    pub(super) fn header(name: &str) -> Self {
        Self::Header(name.to_ascii_lowercase())
    }

    /// What the request has there; `None` where it has nothing, or nothing that is text, a number or a flag.
    pub fn value<'a>(&self, request: &'a InferRequest) -> Option<Cow<'a, str>> {
        match self {
            Self::Header(name) => Some(request.headers.as_deref()?.get(name)?.into()),
            Self::Parameter(name) => Some(text(request.parameters.get(name)?)),
        }
    }
}

/// A number is the same key as its digits: clients of REST and gRPC write it differently.
fn text(value: &Parameter) -> Cow<'_, str> {
    match value {
        Parameter::Bool(value) => value.to_string().into(),
        Parameter::I64(value) => value.to_string().into(),
        Parameter::U64(value) => value.to_string().into(),
        Parameter::F64(value) => value.to_string().into(),
        Parameter::String(value) => value.into(),
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header '{name}'"),
            Self::Parameter(name) => write!(f, "parameter '{name}'"),
        }
    }
}
