//! What keeps the server safe on a network: TLS 1.3, and no open ports without it; and who may do what where changes are made.

mod access;
mod exposure;
mod follow;
mod guard;
pub(crate) mod tls;

pub(crate) use access::admit;
pub use access::{Access, Tokens};
pub use exposure::{admin_exposure, exposure};
pub use guard::Guard;
pub(crate) use guard::{ClientNames, visible};
pub use tls::{ClientAuth, Tls, TlsFiles};
