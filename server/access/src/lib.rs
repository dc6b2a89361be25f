//! Who may do what, before anything is routed: from credentials to a [`Caller`], from a caller and an [`Action`] on a
//! model to yes or no. Pure: no sockets, no files but what it is given as text, no clock but the quotas'.
//!
//! Invariants: what no rule allows is forbidden; a wrong credential is refused even where none would do; secrets are
//! kept as digests, compared in constant time, and are in no message and no `Debug`.
#![forbid(unsafe_code)]

mod action;
mod caller;
mod certificate;
mod file;
mod grant;
mod issuer;
mod key;
mod model;
mod pattern;
mod policy;
mod quota;

pub use action::{Action, Role};
pub use caller::Caller;
pub use certificate::certificate_names;
pub use key::{Secrets, new_key};
pub use policy::{Admitted, Credentials, Policy, bearer};
