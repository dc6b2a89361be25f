//! What a version holds on devices: its weights, once for each device, and what each session needs beside them.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicU64, Ordering},
};

use girandole_core::{DeviceKind, MemoryUse, Model, Placement};

use crate::metrics::DeviceMemoryGauge;

/// See the module. Gone with the last session, and its gauges at zero from then on.
pub(crate) struct DeviceMemory {
    /// Weak: a model goes with its sessions, whoever still asks what it held.
    model: Weak<dyn Model>,
    sessions: Vec<SessionMemory>,
}

struct SessionMemory {
    placement: Placement,
    bytes: AtomicU64,
    /// Of its device, where that has memory of its own.
    gauge: Option<DeviceMemoryGauge>,
}

impl DeviceMemory {
    pub(super) fn new(
        model: &Arc<dyn Model>,
        (name, version): (&str, u64),
        placements: &[Placement],
    ) -> Self {
        let session = |&placement: &Placement| SessionMemory {
            placement,
            bytes: AtomicU64::new(0),
            gauge: (placement.kind != DeviceKind::Cpu)
                .then(|| DeviceMemoryGauge::new(name, version, placement.index)),
        };
        Self { model: Arc::downgrade(model), sessions: placements.iter().map(session).collect() }
    }

    /// A session holds so many bytes now.
    pub(super) fn session_holds(&self, instance: usize, bytes: u64) {
        let Some(session) = self.sessions.get(instance) else { return };
        if session.bytes.swap(bytes, Ordering::Relaxed) != bytes
            && let Some(gauge) = &session.gauge
        {
            let here = self.by_device().into_iter().find(|used| used.placement == session.placement);
            gauge.set(here.map_or(0, |used| used.bytes));
        }
    }

    /// Weights and sessions together.
    pub(super) fn by_device(&self) -> Vec<MemoryUse> {
        let mut used = self.model.upgrade().map(|model| model.memory()).unwrap_or_default();
        for session in &self.sessions {
            let (placement, bytes) = (session.placement, session.bytes.load(Ordering::Relaxed));
            match used.iter_mut().find(|used| used.placement == placement) {
                Some(used) => used.bytes += bytes,
                None if bytes > 0 => used.push(MemoryUse { placement, bytes }),
                None => {}
            }
        }
        used
    }
}

impl Drop for DeviceMemory {
    fn drop(&mut self) {
        self.sessions.iter().filter_map(|session| session.gauge.as_ref()).for_each(|gauge| gauge.set(0));
    }
}
