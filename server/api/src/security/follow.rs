//! Files that are looked at every so often, and taken over where they changed and are whole.

use std::time::Duration;

use girandole_core::Result;

/// Calls `refresh` every so often, for ever, off the async threads; says of `what` how that went. `refresh` tells whether
/// something changed, and leaves what is in force where it fails.
pub(crate) async fn follow(
    what: &'static str,
    every: Duration,
    refresh: impl Fn() -> Result<bool> + Clone + Send + 'static,
) {
    let mut timer = tokio::time::interval(every);
    loop {
        timer.tick().await;
        match tokio::task::spawn_blocking(refresh.clone()).await {
            Ok(Ok(true)) => tracing::info!("{what} was replaced"),
            Ok(Err(error)) => tracing::warn!(%error, "{what} in force stays"),
            Ok(Ok(false)) | Err(_) => {}
        }
    }
}
