//! The devices that sessions run on.

mod cpu;

pub(crate) use cpu::pool;
pub use cpu::{default_threads, start_shared_threads};

use girandole_core::{DeviceKind, Error, ErrorCode, Placement, Result};
use girandole_cuda::{Fault, device};

/// Whether sessions can be opened at a placement.
///
/// # Errors
/// `Unavailable` with what is missing.
pub fn check(placement: Placement) -> Result<()> {
    if placement.kind == DeviceKind::Cpu {
        return Ok(());
    }
    let index = placement.index;
    let refused = |why: String| {
        Error::new(ErrorCode::Unavailable, format!("GPU {index} cannot be used: {why}; use KIND_CPU"))
    };
    match gpus() {
        Ok(count) if index < count => Ok(()),
        Ok(count) => Err(refused(format!("this machine has {count}"))),
        Err(why) => Err(refused(why)),
    }
}

/// How many GPUs sessions can be opened on.
///
/// # Errors
/// What is missing, for people.
pub fn gpus() -> Result<usize, String> {
    device::count().map_err(|fault: Fault| fault.to_string())
}
