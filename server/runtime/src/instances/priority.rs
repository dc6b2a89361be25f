//! Sockets go before models: sessions on the processor let everything else of the server have it first.
//!
//! A thread that reads requests needs little, but needs it at once: where it gets half of a core and a session the
//! other half, requests grow old in the sockets' buffers, deadlines pass there unseen, and what could be refused in a
//! millisecond is answered when nobody waits any more. A session loses nothing by it: what the sockets do not use is
//! still its own.

/// Added to the process's niceness: where both want all of a core, a session gets a quarter (man 7 sched).
pub(crate) const NICENESS: i32 = 5;

/// Gives it to the calling thread, and to those that this will start.
pub(super) fn yield_to_sockets() {
    // A model checker's threads are all one.
    if cfg!(feature = "races") {
        return;
    }
    // On Linux this is the thread's niceness, not the process's.
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "sessions run at the usual priority");
    }
}

#[cfg(test)]
#[cfg(not(feature = "races"))]
mod tests {
    use super::*;

    #[test]
    fn only_the_thread_itself_is_nicer() {
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let usual = niceness();
        let of_session = std::thread::spawn(move || {
            yield_to_sockets();
            niceness()
        });
        assert_eq!(of_session.join().unwrap(), (usual + NICENESS).min(19));
        assert_eq!(niceness(), usual);
    }
}
