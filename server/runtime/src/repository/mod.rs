//! A directory of models: what is in it, what changed, what is complete, and whether it is what was sealed.
//!
//! [`scan`] reads names, sizes and times and nothing else; [`changes`] and [`Settling`] decide on listings
//! alone. Nothing here loads a model.

mod diff;
mod digest;
mod encrypted;
mod listing;
mod scan;
mod settle;
mod trust;
mod watch;

pub use diff::{Change, changes};
pub use digest::{DIGEST_FILE, Digests, SIGNATURE_FILE, Signing, VersionName, seal};
pub(crate) use digest::{sha256, version_digest};
pub use encrypted::encrypt;
pub(crate) use listing::differ;
pub use listing::{FileStamp, FoundModel, FoundVersion, Listing, Stamps, is_model_name};
pub(crate) use scan::version_files;
pub use scan::{Roots, scan_model};
pub use settle::Settling;
pub(crate) use trust::Stored;
pub use trust::Trust;
pub(crate) use watch::{WatchOptions, Watcher};
