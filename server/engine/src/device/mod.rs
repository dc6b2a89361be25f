//! The devices that sessions run on. `cfg(feature = "cuda")` is to appear here and nowhere else.

mod cpu;

pub use cpu::default_threads;
pub(crate) use cpu::pool;

use girandole_core::{DeviceKind, Error, ErrorCode, Placement, Result};

/// Whether this build can open sessions at a placement.
///
/// # Errors
/// `Unavailable` with what is missing.
pub fn check(placement: Placement) -> Result<()> {
    match placement.kind {
        DeviceKind::Cpu => Ok(()),
        DeviceKind::Gpu => Err(Error::new(
            ErrorCode::Unavailable,
            format!(
                "GPU {} cannot be used: this build serves on the CPU only; use KIND_CPU",
                placement.index
            ),
        )),
    }
}
