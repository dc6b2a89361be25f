//! What keeps the server safe on a network: TLS 1.3, and no open ports without it.

mod exposure;
pub(crate) mod tls;

pub use exposure::exposure;
pub use tls::{Tls, TlsFiles};
