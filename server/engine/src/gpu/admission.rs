//! Whether what a model takes of a GPU fits: its weights before they are made, and a session by what another one of
//! the model was measured to need. A load too many is refused with figures, instead of taking what serving takes.
//!
//! Invariant: what is admitted is promised until it is held, so that loads at once see each other. Nobody waits for
//! what others were promised: see [`girandole_cuda::Ledger`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use girandole_core::{Error, ErrorCode};
use girandole_cuda::{Gpu, Memory, Promise};

use crate::error::Result;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// A model's weights, so many bytes.
    Weights(usize),
    /// A session on weights of so many bytes that are there.
    Session { weights: usize, need: Need },
}

/// What a session holds beside the weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Need {
    /// Intermediates, and what libraries work in.
    pub(super) working: usize,
    /// Graphs, with what each has for itself.
    pub(super) graphs: usize,
}

impl Need {
    pub(super) const fn bytes(self) -> usize {
        self.working + self.graphs
    }
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Admit,
    Refuse,
}

impl Ask {
    const fn bytes(self) -> usize {
        match self {
            Self::Weights(bytes) => bytes,
            Self::Session { need, .. } => need.bytes(),
        }
    }

    /// What must be left: weights alone are of no use, and without room for its batches a model would be taking turns
    /// with those that serve. Small models work in little. What a session works in is part of its need.
    fn reserve(self, total: usize) -> usize {
        const ENOUGH_FOR_SMALL: usize = 128 << 20;
        match self {
            Self::Weights(bytes) => (total / 64).min(bytes.max(ENOUGH_FOR_SMALL)),
            Self::Session { .. } => 0,
        }
    }
}

/// `promised` is what others are still to take of what is free.
fn decide(ask: Ask, memory: Memory, promised: usize) -> Verdict {
    let wanted = ask.bytes().saturating_add(ask.reserve(memory.total)).saturating_add(promised);
    if wanted <= memory.free { Verdict::Admit } else { Verdict::Refuse }
}

/// A promise of what is asked for.
///
/// # Errors
/// `OutOfMemory` with the figures; what the device says.
pub(super) fn admit(device: &dyn Gpu, ask: Ask) -> Result<Promise> {
    device.ledger().promise(ask.bytes(), |promised| {
        let memory = device.memory()?;
        match decide(ask, memory, promised) {
            Verdict::Admit => Ok(()),
            Verdict::Refuse => Err(refusal(ask, device.index(), memory, promised).into()),
        }
    })
}

fn refusal(ask: Ask, device: usize, memory: Memory, promised: usize) -> Error {
    let up = |bytes: usize| bytes.div_ceil(1 << 20);
    let (free, total) = (memory.free >> 20, memory.total >> 20);
    let left = format!(
        "GPU {device} has {free} of {total} MiB free, {} of them promised to what is loading",
        up(promised)
    );
    let message = match ask {
        Ask::Weights(bytes) => format!(
            "its weights take {} MiB, with {} more to work in, and {left}; unload another model, or choose a lower \
             precision",
            up(bytes),
            up(ask.reserve(memory.total)),
        ),
        Ask::Session { weights, need } => format!(
            "beside its weights ({} MiB, which are there) a session takes {} MiB, {} of them for graphs, and {left}; \
             lower count, max_batch_size or graph_memory_mb, or unload another model",
            up(weights),
            up(need.bytes()),
            up(need.graphs),
        ),
    };
    Error::new(ErrorCode::OutOfMemory, message)
}

/// The most that a session of a model was seen to need in one precision, on any device.
#[derive(Debug, Default)]
pub(super) struct Needs(Mutex<Option<Need>>);

impl Needs {
    fn lock(&self) -> MutexGuard<'_, Option<Need>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, need: Need) {
        let mut most = self.lock();
        if most.is_none_or(|most| most.bytes() < need.bytes()) {
            *most = Some(need);
        }
    }
}

/// What a session may take of its device, and whom it tells what it took.
pub(super) struct Allowance {
    device: Arc<dyn Gpu>,
    /// Bytes of the model's weights.
    weights: usize,
    needs: Arc<Needs>,
    standing: Standing,
}

/// How a session stands.
enum Standing {
    /// When it was opened, none had been measured.
    Unmeasured,
    /// It is what others are measured by, or it may take so much, the promise being what it has not taken yet.
    Admitted { most: usize, promise: Option<Promise> },
}

impl Allowance {
    pub(super) const fn new(device: Arc<dyn Gpu>, weights: usize, needs: Arc<Needs>) -> Self {
        Self { device, weights, needs, standing: Standing::Unmeasured }
    }

    /// Admits the session by what another one was measured to need, where that is known by now and was not before.
    ///
    /// # Errors
    /// As [`admit`].
    pub(super) fn admit(&mut self) -> Result<()> {
        let Standing::Unmeasured = self.standing else { return Ok(()) };
        let known = *self.needs.lock();
        let Some(need) = known else { return Ok(()) };
        let promise = admit(&*self.device, Ask::Session { weights: self.weights, need })?;
        self.standing = Standing::Admitted { most: need.bytes(), promise: Some(promise) };
        Ok(())
    }

    /// The session holds so much now.
    pub(super) fn holds(&mut self, need: Need) {
        self.needs.note(need);
        match &mut self.standing {
            Standing::Unmeasured => self.standing = Standing::Admitted { most: 0, promise: None },
            Standing::Admitted { most, promise: Some(promise) } => {
                promise.shrink(most.saturating_sub(need.bytes()));
            }
            Standing::Admitted { promise: None, .. } => {}
        }
    }

    /// The session ran out of memory: what it held by then is more than it needs, and is no measure for others.
    pub(super) fn ran_out(&mut self) {
        *self.needs.lock() = None;
        self.standing = Standing::Admitted { most: 0, promise: None };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;
    const TOTAL: usize = 640 * MIB;

    fn session(working: usize, graphs: usize) -> Ask {
        Ask::Session { weights: 9 * MIB, need: Need { working, graphs } }
    }

    #[test]
    fn what_others_were_promised_is_not_free() {
        for (ask, free, promised, verdict) in [
            (Ask::Weights(90), 100, 0, Verdict::Admit),
            (Ask::Weights(91), 100, 0, Verdict::Refuse),
            (Ask::Weights(50), 100, 40, Verdict::Admit),
            (Ask::Weights(50), 100, 41, Verdict::Refuse),
            (session(60, 40), 100, 0, Verdict::Admit),
            (session(60, 41), 100, 0, Verdict::Refuse),
            (session(60, 30), 100, 11, Verdict::Refuse),
            (Ask::Weights(usize::MAX), 100, usize::MAX, Verdict::Refuse),
        ] {
            let memory = Memory { free, total: 640 };
            assert_eq!(decide(ask, memory, promised), verdict, "{ask:?} {free} {promised}");
        }
    }

    #[test]
    fn small_models_leave_room_for_small_batches() {
        const GIB: usize = 1 << 30;
        let reserve = |weights| Ask::Weights(weights).reserve(80 * GIB);
        assert_eq!([MIB, GIB, 40 * GIB].map(reserve), [128 * MIB, GIB, 80 * GIB / 64]);
        assert_eq!(Ask::Weights(MIB).reserve(GIB), 16 * MIB);
    }

    #[test]
    fn refusals_name_weights_graphs_and_promises() {
        let memory = Memory { free: 100 * MIB, total: TOTAL };
        let weights = refusal(Ask::Weights(95 * MIB), 3, memory, 7 * MIB);
        assert_eq!(weights.code(), ErrorCode::OutOfMemory);
        let text = weights.message();
        assert!(text.contains("weights take 95 MiB, with 10 more"), "{text}");
        assert!(text.contains("GPU 3 has 100 of 640 MiB free, 7 of them promised"), "{text}");
        let text = refusal(session(80 * MIB, 30 * MIB), 3, memory, 0).message().to_owned();
        assert!(text.contains("(9 MiB, which are there)"), "{text}");
        assert!(text.contains("takes 110 MiB, 30 of them for graphs"), "{text}");
    }
}
