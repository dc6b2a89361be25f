//! Warming up on the CPU without those who serve: what a plan keeps by shape is made on a session of its own, of one
//! thread, by whoever loads.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc,
};

use girandole_core::{Batch, Error, Model, Placement, Reply, Result, Session, SessionOptions};

/// A session that nobody else uses; opened when it is first needed.
pub(super) struct Rehearsal<'a> {
    model: &'a dyn Model,
    session: Option<Box<dyn Session>>,
}

impl<'a> Rehearsal<'a> {
    pub(super) fn new(model: &'a dyn Model) -> Self {
        Self { model, session: None }
    }

    /// Runs a batch. A panic costs this batch alone.
    ///
    /// # Errors
    /// What the session says.
    pub(super) fn run(&mut self, batch: &Batch) -> Result<()> {
        let options = SessionOptions { placement: Placement::default(), threads: 1 };
        let mut session = self.session.take().map_or_else(|| self.model.session(&options), Ok)?;
        let (sender, outcome) = mpsc::channel();
        let reply = Reply::new(move |outcome: Result<_>| {
            let _ = sender.send(outcome.map(drop));
        });
        if catch_unwind(AssertUnwindSafe(|| session.run(batch.clone(), reply))).is_ok() {
            self.session = Some(session);
        }
        outcome.recv().unwrap_or_else(|_| Err(Error::internal("the session gave no answer")))
    }
}
