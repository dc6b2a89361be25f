//! The end of serving: announced once, with the moment by which everything must have ended.

use tokio::{sync::watch, time::Instant};

/// Announces the end.
pub(crate) struct Announcer(watch::Sender<Option<Instant>>);

/// Hears of the end; clones hear of the same.
#[derive(Clone)]
pub(crate) struct Stop(watch::Receiver<Option<Instant>>);

/// An end that has not been announced yet.
pub(crate) fn channel() -> (Announcer, Stop) {
    let (sender, receiver) = watch::channel(None);
    (Announcer(sender), Stop(receiver))
}

impl Announcer {
    /// Whoever listens stops now, and has until `deadline` to finish.
    pub(crate) fn announce(&self, deadline: Instant) {
        self.0.send_replace(Some(deadline));
    }
}

impl Stop {
    /// Resolves once the end is announced, with its deadline; at once where nobody is left to announce it.
    pub(crate) async fn announced(&mut self) -> Instant {
        match self.0.wait_for(Option::is_some).await {
            Ok(deadline) => deadline.unwrap_or_else(Instant::now),
            Err(_) => Instant::now(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn everybody_hears_of_the_same_deadline_early_or_late() {
        let (announcer, stop) = channel();
        let (mut early, mut late) = (stop.clone(), stop);
        let early = tokio::spawn(async move { early.announced().await });
        let deadline = Instant::now() + Duration::from_secs(9);
        announcer.announce(deadline);
        assert_eq!(early.await.unwrap(), deadline);
        assert_eq!(late.announced().await, deadline);
    }

    #[tokio::test]
    async fn an_announcer_that_has_gone_ends_it() {
        let (announcer, mut stop) = channel();
        drop(announcer);
        assert!(stop.announced().await <= Instant::now());
    }
}
