//! Why a request went to the version that answered it.

use std::{fmt, sync::Arc};

/// What a call carries beside its request: HTTP headers, gRPC metadata.
pub trait Headers: Send + Sync + fmt::Debug {
    /// The first value under a name in lower case, where it is text.
    fn get(&self, name: &str) -> Option<&str>;
}

/// The way that a request went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// The label or version, as the model's traffic names it, that the request was given to; `None` where traffic
    /// had no say.
    pub arm: Option<Arc<str>>,
    /// Who chose.
    pub reason: RouteReason,
}

/// Who chose the version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RouteReason {
    /// Nobody: it is the newest that serves.
    #[default]
    Newest,
    /// The caller, by number.
    Version,
    /// The caller, by label.
    Label,
    /// A rule of the model's traffic.
    Rule,
    /// The split, by the caller's key: the same key goes to the same arm.
    Sticky,
    /// The split, in turn.
    Split,
    /// A version in the place of one that keeps failing and is out of the traffic.
    Fallback,
}

impl RouteReason {
    /// Its name, as clients and metrics see it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Version => "version",
            Self::Label => "label",
            Self::Rule => "rule",
            Self::Sticky => "sticky",
            Self::Split => "split",
            Self::Fallback => "fallback",
        }
    }
}
