//! One instance: an OS thread that owns a session, and the loop that feeds it.
//!
//! Invariant: a panic of the session costs the batch that it ran and nothing else. A session that panicked, or whose
//! device was lost, is dropped and opened anew before the next batch; while that fails, it is tried again, and
//! requests are refused with the reason unless another instance takes them.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use girandole_core::{Batch, BatchOutputs, DeviceKind, Error, Model, Reply, Result, Session, SessionOptions};

use super::{
    completion::Completion,
    cores::{CoreBudget, Cores},
    memory::DeviceMemory,
};
use crate::{
    batcher::{
        assemble::assemble,
        dispatch::{Dispatch, Errand, Wake},
        service::Batcher,
        standing::Standing,
    },
    sync::{mpsc, now},
};

/// How often an instance without work looks after a session that can be lost, or that it could not open. A lost
/// device can only be opened again once nobody holds anything of it, so all have to look.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// What an instance's thread needs.
pub(crate) struct Instance {
    pub(crate) index: usize,
    pub(crate) model: Arc<dyn Model>,
    pub(crate) options: SessionOptions,
    pub(crate) batcher: Arc<Batcher>,
    pub(crate) memory: Arc<DeviceMemory>,
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
            self.renew(&mut session);
            match self.batcher.wait(self.index, &self.standing(&session)) {
                Wake::Closed => return,
                Wake::Look => {}
                Wake::Errand(errand) => self.run_errand(&mut session, *errand),
                Wake::Work => {
                    // Threads first, requests second: until they are there, what waits can grow, leave, time
                    // out, or run elsewhere.
                    let cores = self.acquire();
                    if let Some(dispatch) = self.batcher.take(self.index) {
                        self.run_batch(&mut session, dispatch, cores);
                    }
                }
            }
            self.note_memory(&session);
        }
    }

    fn open(&self) -> Open {
        catch_unwind(AssertUnwindSafe(|| self.model.session(&self.options)))
            .unwrap_or_else(|_| Err(Error::internal("opening a session failed unexpectedly")))
    }

    /// Closes a session that is lost, and opens one where there is none.
    fn renew(&self, session: &mut Open) {
        if session.as_ref().is_ok_and(|open| open.is_lost()) {
            tracing::error!(instance = self.index, "a session's device was lost; a new one is opened");
            self.discard(session);
        }
        if session.is_err() {
            *session = self.open().map_err(|error| error.context("the session could not be reopened"));
            if session.is_ok() {
                tracing::info!(instance = self.index, "a session was opened anew");
            }
        }
    }

    fn standing(&self, session: &Open) -> Standing {
        let elsewhere = self.options.placement.kind != DeviceKind::Cpu;
        Standing {
            session: session.as_ref().map(|open| open.depth()).map_err(Error::clone),
            patience: (elsewhere || session.is_err()).then_some(LOOK_AFTER),
        }
    }

    fn note_memory(&self, session: &Open) {
        let bytes = session.as_ref().map_or(0, |open| open.memory());
        self.memory.session_holds(self.index, bytes);
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
            started: now(),
            cores,
        };
        self.execute(session, batch, Reply::new(|outcome| completion.complete(outcome)));
    }

    fn run_errand(&self, session: &mut Open, errand: Errand) {
        let cores = self.acquire();
        let (done, batcher, instance) = (errand.done, self.batcher.clone(), self.index);
        let reply = Reply::new(move |outcome: Result<BatchOutputs>| {
            drop(cores);
            if let Err(error) = &outcome {
                batcher.failed(instance, error);
            }
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

    /// Drops a session that is broken; what its own destructor does to it is nobody's concern any more.
    fn discard(&self, session: &mut Open) {
        let broken = std::mem::replace(session, Err(Error::internal("the session was lost")));
        if catch_unwind(AssertUnwindSafe(|| drop(broken))).is_err() {
            tracing::error!(instance = self.index, "a session panicked again while it was closed");
        }
    }
}
