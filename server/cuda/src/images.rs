//! The kernels as compiled by `build.rs`; none without the feature `kernels`.

include!(concat!(env!("OUT_DIR"), "/images.rs"));

/// Whether this build has kernels.
pub(crate) const fn present() -> bool {
    !ALL.is_empty()
}
