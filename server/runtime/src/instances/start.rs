//! Opening a version: one thread and one session for each instance, all or none.

use std::sync::Arc;

use girandole_core::{DeviceKind, Error, Placement, Result, SessionOptions};

use super::{
    OnClosed, Serving, ServingOptions, memory::DeviceMemory, priority::yield_to_sockets, worker::Instance,
};
use crate::{
    batcher::service::Batcher,
    breaker::Breaker,
    statistics::Recorder,
    sync::{Mutex, lock, mpsc, thread},
};

/// Opens every session, or closes again what was opened.
pub(super) fn start(options: ServingOptions) -> Result<Serving> {
    let placements = match options.settings.instances.as_slice() {
        [] => vec![Placement::default()],
        some => some.to_vec(),
    };
    let recorder = Arc::new(Recorder::new(&options.name, options.version));
    let named = (&*options.name, options.version);
    let breaker = Arc::new(Breaker::new(named, options.settings.circuit_breaker, options.on_turned));
    let batcher = Arc::new(Batcher::new(&options.settings, placements.len(), recorder, breaker));
    let memory = DeviceMemory::new(&options.model, (&options.name, options.version), &placements);
    let memory = Arc::new(memory);
    // Made before the first thread: dropping it on an error is what closes the others.
    let serving = Serving {
        name: options.name.clone(),
        version: options.version,
        batcher: batcher.clone(),
        memory: memory.clone(),
        instances: placements.len(),
    };
    let closing = Arc::new(Closing(Mutex::new(options.on_closed)));
    let threads = threads_per_session(options.cores.total(), &placements);
    let (opened, outcomes) = mpsc::channel();
    for (index, &placement) in placements.iter().enumerate() {
        let on_cpu = placement.kind == DeviceKind::Cpu;
        let instance = Instance {
            index,
            model: options.model.clone(),
            options: SessionOptions { placement, threads },
            batcher: batcher.clone(),
            memory: memory.clone(),
            budget: on_cpu.then(|| options.cores.clone()),
        };
        spawn(instance, &format!("{}:{index}", options.name), opened.clone(), closing.clone())?;
    }
    drop(opened);
    outcomes.iter().collect::<Result<()>>()?;
    Ok(serving)
}

fn spawn(
    instance: Instance,
    name: &str,
    opened: mpsc::Sender<Result<()>>,
    closing: Arc<Closing>,
) -> Result<()> {
    let body = move || {
        if instance.budget.is_some() {
            yield_to_sockets();
        }
        instance.run(opened);
        drop(closing);
    };
    let spawned = thread::Builder::new().name(name.replace('\0', "")).spawn(body);
    spawned.map(drop).map_err(|_| Error::unavailable("no thread could be started for an instance"))
}

/// The processor threads of each session: the instances on the CPU share the cores. One on a device of its
/// own needs a single thread to feed it.
fn threads_per_session(cores: usize, placements: &[Placement]) -> usize {
    let on_cpu = placements.iter().filter(|placement| placement.kind == DeviceKind::Cpu).count();
    cores.checked_div(on_cpu).unwrap_or(1).max(1)
}

/// Calls back when the last thread that holds it has let its session and the model go.
struct Closing(Mutex<Option<OnClosed>>);

impl Drop for Closing {
    fn drop(&mut self) {
        if let Some(on_closed) = lock(&self.0).take() {
            on_closed();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_on_the_cpu_share_the_cores() {
        let cpu = Placement::default();
        let gpu = Placement { kind: DeviceKind::Gpu, index: 0 };
        for (cores, placements, expected) in [
            (8, &[cpu][..], 8),
            (8, &[cpu, cpu, cpu], 2),
            (2, &[cpu, cpu, cpu], 1),
            (8, &[gpu], 1),
            (8, &[gpu, cpu], 8),
        ] {
            assert_eq!(threads_per_session(cores, placements), expected);
        }
    }
}
