//! The device's time of a run's parts. Each mark costs a small batch a microsecond or two, so only some runs are
//! timed.

use std::sync::Arc;

use girandole_core::Phases;
use girandole_cuda::{Queue, Timer};

use crate::error::Result;

/// The marks: before the copies in, before and after the computation, after the copies out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mark {
    Begin,
    CopiedIn,
    Computed,
    CopiedOut,
}

/// See the module.
pub(crate) struct Clock {
    queue: Arc<dyn Queue>,
    timer: Timer,
    /// Whether this run is timed.
    runs: bool,
}

impl Clock {
    pub(crate) fn new(queue: Arc<dyn Queue>) -> Result<Self> {
        const MARKS: usize = Mark::CopiedOut as usize + 1;
        let timer = queue.timer(MARKS)?;
        Ok(Self { queue, timer, runs: true })
    }

    /// Says whether the run that begins is timed.
    pub(crate) const fn begin(&mut self, timed: bool) {
        self.runs = timed;
    }

    /// Sets a mark after what was put into the queue so far.
    pub(crate) fn mark(&self, mark: Mark) -> Result<()> {
        if self.runs {
            self.queue.mark(&self.timer, mark as usize)?;
        }
        Ok(())
    }

    /// What the timed run that was waited for took.
    pub(crate) fn times(&self) -> Result<Phases> {
        let took = |from: Mark| self.queue.between(&self.timer, from as usize);
        Ok(Phases {
            copy_in: took(Mark::Begin)?,
            compute: took(Mark::CopiedIn)?,
            copy_out: took(Mark::Computed)?,
        })
    }
}
