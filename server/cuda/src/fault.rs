//! What can go wrong on a device.

use cudarc::{
    cublaslt::result::CublasError,
    cudnn::CudnnError,
    driver::{DriverError, sys::CUresult},
};

/// The result of everything that a device does.
pub type Result<T> = std::result::Result<T, Fault>;

/// A failure of a device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Something that a GPU needs is not on this machine.
    #[error("{0}")]
    Missing(String),
    /// The device has too little memory left.
    #[error("GPU {device} has {free} of {total} bytes free, {wanted} more are needed")]
    OutOfMemory {
        /// The device's number.
        device: usize,
        /// Bytes asked for.
        wanted: usize,
        /// Bytes free.
        free: usize,
        /// Bytes of the device.
        total: usize,
    },
    /// The device, or this process' use of it, is broken for good: everything on it must be opened anew.
    #[error("the GPU was lost: {0}")]
    Lost(String),
    /// One call failed; others may work.
    #[error("the GPU refused: {0}")]
    Failed(String),
}

impl From<DriverError> for Fault {
    fn from(error: DriverError) -> Self {
        let name = error.error_name().ok().and_then(|name| name.to_str().ok()).unwrap_or("an unknown error");
        match error.0 {
            CUresult::CUDA_ERROR_ILLEGAL_ADDRESS
            | CUresult::CUDA_ERROR_LAUNCH_FAILED
            | CUresult::CUDA_ERROR_LAUNCH_TIMEOUT
            | CUresult::CUDA_ERROR_MISALIGNED_ADDRESS
            | CUresult::CUDA_ERROR_ILLEGAL_INSTRUCTION
            | CUresult::CUDA_ERROR_INVALID_PC
            | CUresult::CUDA_ERROR_HARDWARE_STACK_ERROR
            | CUresult::CUDA_ERROR_ECC_UNCORRECTABLE
            | CUresult::CUDA_ERROR_DEVICE_UNAVAILABLE
            | CUresult::CUDA_ERROR_CONTEXT_IS_DESTROYED => Self::Lost(name.into()),
            _ => Self::Failed(name.into()),
        }
    }
}

impl From<CublasError> for Fault {
    fn from(error: CublasError) -> Self {
        Self::Failed(format!("cuBLASLt says {:?}", error.0))
    }
}

impl From<CudnnError> for Fault {
    fn from(error: CudnnError) -> Self {
        Self::Failed(format!("cuDNN says {:?}", error.0))
    }
}
