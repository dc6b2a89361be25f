//! The kernels as compiled by `build.rs`; none without the feature `kernels`.

/// Every fat binary, of several kernels each; the driver picks the part that fits its device.
pub(crate) const ALL: &[&[u8]] = include!(concat!(env!("OUT_DIR"), "/images.rs"));

/// Whether this build has kernels.
pub(crate) const fn present() -> bool {
    !ALL.is_empty()
}
