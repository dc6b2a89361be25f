//! A directory of models: what is in it, what changed, what is complete, and whether it is what was sealed.
//!
//! [`scan`] reads names, sizes and times and nothing else; [`changes`] and [`Settling`] decide on listings
//! alone. Nothing here loads a model.

mod diff;
mod digest;
mod listing;
mod scan;
mod settle;
mod watch;

pub use diff::{Change, changes};
pub use digest::{DIGEST_FILE, Digests, seal, verify};
pub(crate) use digest::{sha256, version_digest};
pub(crate) use listing::differ;
pub use listing::{FileStamp, FoundModel, FoundVersion, Listing, Stamps, is_model_name};
pub(crate) use scan::version_files;
pub use scan::{Roots, scan_model};
pub use settle::Settling;
pub(crate) use watch::{WatchOptions, Watcher};
