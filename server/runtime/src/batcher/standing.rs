//! Which instances of a version have a session, and why others have none.

use std::{sync::Arc, time::Duration};

use girandole_core::{Error, ErrorCode, Result};

use super::{error::Refusal, service::Batcher, state::State};
use crate::sync::{MutexGuard, now};

/// How an instance stands that looks for work.
#[derive(Debug)]
pub(crate) struct Standing {
    /// How many batches its session holds at most; or why it has none.
    pub(crate) session: Result<usize>,
    /// How long it waits before it looks after its session, though there is nothing to do.
    pub(crate) patience: Option<Duration>,
}

/// How all instances stand.
#[derive(Debug)]
pub(super) struct Standings(Vec<Option<Error>>);

impl Standings {
    /// All have a session.
    pub(super) fn new(instances: usize) -> Self {
        Self(vec![None; instances])
    }

    /// Why this instance has no session, where it has none.
    pub(super) fn of(&self, instance: usize) -> Option<&Error> {
        self.0.get(instance)?.as_ref()
    }

    /// Takes note of what is wrong with an instance's session, if anything is; says whether that is new.
    pub(super) fn set(&mut self, instance: usize, problem: Option<&Error>) -> bool {
        let standing = self.0.get_mut(instance).filter(|standing| standing.as_ref() != problem);
        standing.map(|standing| *standing = problem.cloned()).is_some()
    }

    /// How many instances have no session.
    pub(super) fn down(&self) -> usize {
        self.0.iter().flatten().count()
    }

    /// Why no instance has a session; `None` while one has.
    pub(super) fn reason(&self) -> Option<Arc<str>> {
        let mut all = self.0.iter();
        let first = all.next()?.as_ref()?;
        all.all(Option::is_some).then(|| first.message().into())
    }
}

impl Batcher {
    /// Takes note of an instance's session. Without any, nothing may wait: nobody would come for it.
    pub(super) fn stand<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        instance: usize,
        problem: Option<&Error>,
    ) -> MutexGuard<'a, State> {
        if !state.standings.set(instance, problem) {
            return state;
        }
        self.recorder.without_session(state.standings.down());
        let why = state.standings.reason();
        self.breaker.without_session(why.is_some(), now());
        let Some(why) = why else { return state };
        self.refuse_all(state, &Refusal::NoSession(why));
        self.lock()
    }

    /// A session failed. One that says that it can run nothing now is lost: its thread may never come back from it.
    pub(crate) fn failed(&self, instance: usize, why: &Error) {
        if why.code() != ErrorCode::Unavailable {
            return;
        }
        let mut state = self.stand(self.lock(), instance, Some(why));
        let errands = state.errands.get_mut(instance).map(std::mem::take).unwrap_or_default();
        drop(state);
        for errand in errands {
            let _ = errand.done.send(Err(why.clone()));
        }
    }

    /// Whether an instance has a session.
    ///
    /// # Errors
    /// `Unavailable` with the reason why none has one.
    pub(crate) fn health(&self) -> Result<()> {
        self.lock().standings.reason().map_or(Ok(()), |why| Err(Refusal::NoSession(why).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_session_is_enough() {
        let mut standings = Standings::new(2);
        assert_eq!((standings.down(), standings.reason()), (0, None));
        standings.set(0, Some(&Error::unavailable("lost")));
        assert_eq!((standings.down(), standings.reason()), (1, None));
        standings.set(1, Some(&Error::unavailable("gone")));
        assert_eq!((standings.down(), standings.reason()), (2, Some("lost".into())));
        standings.set(0, None);
        assert_eq!((standings.of(0), standings.reason()), (None, None));
    }
}
