//! Loading at a low priority: where a request and a load want the same core, the request gets it.
//!
//! Threads inherit the priority of who starts them, and may not raise it again. So what loads has a thread of its own,
//! and those that serve are never started on it.

use std::{panic::resume_unwind, thread};

use girandole_core::{Error, Result};

/// About a tenth of the share that a thread of the usual niceness, 0, gets of a core that both want.
const NICENESS: i32 = 10;

/// Does some work of a load and waits for it; a panic goes on here.
///
/// # Errors
/// The work's, or `Unavailable` where the system has no thread to give.
pub(super) fn run<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        let polite = || {
            lower();
            work()
        };
        match thread::Builder::new().name("load".to_owned()).spawn_scoped(scope, polite) {
            Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            Err(_) => Err(Error::unavailable("no thread could be started to load it")),
        }
    })
}

/// On Linux this is the calling thread's niceness, not the process's.
fn lower() {
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "models load at the usual priority");
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    fn niceness() -> i32 {
        rustix::process::getpriority_process(None).unwrap()
    }

    #[test]
    fn only_the_work_has_the_low_priority() {
        let before = niceness();
        assert_eq!(run(|| Ok(niceness())), Ok((before + NICENESS).min(19)));
        assert_eq!(niceness(), before);
    }

    #[test]
    fn a_panic_is_the_callers() {
        let panic = catch_unwind(AssertUnwindSafe(|| run::<()>(|| panic!("an odd model"))));
        assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"an odd model"));
    }
}
