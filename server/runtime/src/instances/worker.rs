//! One instance: an OS thread that owns a session, and the loop that feeds it.
//!
//! Invariant: a panic of the session costs the batch that it ran and nothing else. The session is dropped
//! and opened anew before the next batch; while that fails, batches are answered with the reason.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc},
    time::Instant,
};

use girandole_core::{Batch, Error, Model, Reply, Result, Session, SessionOptions};

use super::{
    completion::Completion,
    cores::{CoreBudget, Cores},
};
use crate::batcher::{
    assemble::assemble,
    service::{Batcher, Dispatch, Errand, Wake},
};

/// What an instance's thread needs.
pub(crate) struct Instance {
    pub(crate) index: usize,
    pub(crate) model: Arc<dyn Model>,
    pub(crate) options: SessionOptions,
    pub(crate) batcher: Arc<Batcher>,
    /// Where the session's threads come from; `None` on a device of its own.
    pub(crate) budget: Option<Arc<CoreBudget>>,
}

/// A session, or why there is none.
type Open = Result<Box<dyn Session>>;

impl Instance {
    /// Opens the session, says on `opened` how that went, and runs batches until the queue is closed.
    pub(crate) fn run(self, opened: mpsc::Sender<Result<()>>) {
        let mut session = self.open();
        // The channel must close here: the start waits for every thread's word, not for its end.
        let _ = opened.send(session.as_ref().map(|_| ()).map_err(Error::clone));
        drop(opened);
        if session.is_err() {
            return;
        }
        loop {
            let depth = session.as_ref().map_or(1, |session| session.depth());
            match self.batcher.wait(self.index, depth) {
                Wake::Closed => return,
                Wake::Errand(errand) => self.run_errand(&mut session, *errand),
                Wake::Work => {
                    // A session and threads first, requests second: until both are there, what waits can
                    // grow, leave, time out, or run elsewhere.
                    self.reopen(&mut session);
                    let cores = self.acquire();
                    if let Some(dispatch) = self.batcher.take(self.index) {
                        self.run_batch(&mut session, dispatch, cores);
                    }
                }
            }
        }
    }

    fn open(&self) -> Open {
        catch_unwind(AssertUnwindSafe(|| self.model.session(&self.options)))
            .unwrap_or_else(|_| Err(Error::internal("opening a session failed unexpectedly")))
    }

    /// Opens a session that was lost, where that is possible by now.
    fn reopen(&self, session: &mut Open) {
        if session.is_err() {
            self.batcher.pass_on();
            *session = self.open().map_err(|error| error.context("the session could not be reopened"));
        }
    }

    fn acquire(&self) -> Option<Cores> {
        let (budget, threads) = (self.budget.as_ref()?, self.options.threads);
        Some(budget.try_acquire(threads).unwrap_or_else(|| {
            self.batcher.pass_on();
            budget.acquire(threads)
        }))
    }

    fn run_batch(&self, session: &mut Open, dispatch: Dispatch, cores: Option<Cores>) {
        let batch = assemble(&dispatch.messages, self.batcher.spec.batches());
        let completion = Completion {
            batcher: self.batcher.clone(),
            instance: self.index,
            dispatch,
            computed: batch.outputs.clone(),
            rows: batch.rows,
            started: Instant::now(),
            cores,
        };
        self.execute(session, batch, Reply::new(|outcome| completion.complete(outcome)));
    }

    fn run_errand(&self, session: &mut Open, errand: Errand) {
        self.reopen(session);
        let cores = self.acquire();
        let done = errand.done;
        let reply = Reply::new(move |outcome| {
            drop(cores);
            let _ = done.send(outcome.map(|_| ()));
        });
        self.execute(session, errand.batch, reply);
    }

    fn execute(&self, session: &mut Open, batch: Batch, reply: Reply) {
        let open = match session {
            Ok(open) => open,
            Err(error) => return reply.send(Err(error.clone())),
        };
        // A panic drops the reply, which answers the batch before the unwinding ends here.
        if catch_unwind(AssertUnwindSafe(|| open.run(batch, reply))).is_err() {
            tracing::error!(instance = self.index, "a session panicked; it is opened anew");
            self.discard(session);
        }
    }

    /// Drops a session that panicked; what its own destructor does to it is nobody's concern any more.
    fn discard(&self, session: &mut Open) {
        let broken = std::mem::replace(session, Err(Error::internal("the session was lost")));
        if catch_unwind(AssertUnwindSafe(|| drop(broken))).is_err() {
            tracing::error!(instance = self.index, "a session panicked again while it was closed");
        }
    }
}
