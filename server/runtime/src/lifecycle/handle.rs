//! Starting the runtime, and ending it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Sender},
    },
    thread,
    time::Duration,
};

use girandole_core::{Error, Loader, Result, audit::Unwitnessed};
use tokio::sync::oneshot;

use super::{
    ControlMode, Event, OnUnloaded, RuntimeOptions,
    admission::Admission,
    job::{CloseHook, Hooks, TurnHook, Workshop},
    manager::{Manager, State},
    pool::{Pool, Purpose},
    prepare::Preparation,
    rollouts::Rollouts,
};
use crate::{
    instances::CoreBudget,
    repository::{Roots, WatchOptions, Watcher},
    service::{ByteBudget, Service, Shared},
    snapshot::Snapshot,
    trace::Tracer,
    traffic::{Overlays, TrafficStore},
};

/// The runtime as a whole.
pub struct Runtime;

/// Owns the runtime's threads. Dropping it begins a shutdown without waiting for it.
pub struct RuntimeHandle {
    pub(super) shared: Arc<Shared>,
    _watcher: Watcher,
}

impl Runtime {
    /// Starts the runtime and returns at once; models load in the background.
    ///
    /// # Errors
    /// `InvalidArgument` where there is no repository, or one is no directory; `Internal` where the system
    /// gives no threads.
    pub fn start(options: RuntimeOptions, loader: Arc<dyn Loader>) -> Result<(Service, RuntimeHandle)> {
        check_repositories(&options)?;
        let (events, received) = mpsc::channel();
        let explicit = matches!(options.control_mode, ControlMode::Explicit { .. });
        let (in_flight, tracer) = (ByteBudget::new(options.in_flight_bytes), Tracer::new(&options.trace)?);
        let overlays = options.state_dir.as_deref().map(Overlays::new);
        let shared = Arc::new(Shared {
            traffic: TrafficStore::new(options.repositories.clone(), overlays.clone()),
            witness: options.witness.clone().unwrap_or_else(|| Arc::new(Unwitnessed)),
            ..Shared::new(events.clone(), explicit, in_flight, tracer)
        });
        let open = Arc::new(AtomicUsize::new(0));
        let on_closed = on_closed(open.clone(), events.clone(), options.on_unloaded.clone());
        let hooks = Hooks { on_closed, on_turned: on_turned(events.clone()) };
        let roots = Roots::new(&options.repositories).under(overlays);
        let watch = watch_options(&options, roots.clone());
        let manager = Manager {
            shared: shared.clone(),
            workshop: Arc::new(workshop(&options, roots, loader, hooks)?),
            pool: Pool::start(options.load_threads, Purpose::Load(options.load_priority))?,
            events: events.clone(),
            rollouts: Rollouts::open(shared.clock, options.state_dir, &options.repositories),
            mode: options.control_mode,
            load_priority: options.load_priority,
            patience: options.slow_load,
            open,
            state: State::default(),
        };
        thread::Builder::new()
            .name("lifecycle".to_owned())
            .spawn(move || manager.run(&received))
            .map_err(|e| Error::internal(format!("cannot start the lifecycle's thread: {e}")))?;
        let report = move |began, found| drop(events.send(Event::Scanned(began, found)));
        let watcher = Watcher::start(watch, report)?;
        Ok((Service(shared.clone()), RuntimeHandle { shared, _watcher: watcher }))
    }
}

fn check_repositories(options: &RuntimeOptions) -> Result<()> {
    if options.repositories.is_empty() {
        return Err(Error::invalid("no model repository is given; name at least one directory of models"));
    }
    match options.repositories.iter().find(|root| !root.is_dir()) {
        Some(root) => {
            Err(Error::invalid(format!("the model repository '{}' is no directory", root.display())))
        }
        None => Ok(()),
    }
}

fn workshop(
    options: &RuntimeOptions,
    roots: Roots,
    loader: Arc<dyn Loader>,
    hooks: Hooks,
) -> Result<Workshop> {
    let preparation = Preparation {
        loader,
        completion: options.completion,
        devices: options.devices,
        trust: options.trust.clone(),
    };
    Ok(Workshop {
        preparation,
        roots,
        work_out_digests: options.witness.is_some(),
        cores: CoreBudget::new(options.cores),
        admission: Admission::new(options.available_memory),
        openers: Pool::start(options.load_threads, Purpose::Open)?,
        default_warmup: options.default_warmup,
        hooks,
    })
}

/// Only polling takes what it finds by itself, so only there must files settle.
fn watch_options(options: &RuntimeOptions, roots: Roots) -> WatchOptions {
    let polls = options.control_mode == ControlMode::Poll;
    WatchOptions {
        roots,
        settle_time: if polls { options.settle_time } else { Duration::ZERO },
        poll_interval: (options.control_mode != ControlMode::None).then_some(options.poll_interval),
    }
}

/// Counts open versions; a count is given back when its callback is called or dropped uncalled.
struct OpenVersion {
    open: Arc<AtomicUsize>,
    events: Sender<Event>,
    on_unloaded: Option<OnUnloaded>,
    model: Arc<str>,
    version: u64,
}

impl Drop for OpenVersion {
    fn drop(&mut self) {
        if let Some(on_unloaded) = &self.on_unloaded {
            on_unloaded();
        }
        self.open.fetch_sub(1, Ordering::AcqRel);
        // The manager may have ended where a shutdown ran out of time.
        let _ = self.events.send(Event::Closed(self.model.clone(), self.version));
    }
}

fn on_closed(open: Arc<AtomicUsize>, events: Sender<Event>, on_unloaded: Option<OnUnloaded>) -> CloseHook {
    Box::new(move |model, version| {
        open.fetch_add(1, Ordering::AcqRel);
        let (open, events, on_unloaded) = (open.clone(), events.clone(), on_unloaded.clone());
        let counted = OpenVersion { open, events, on_unloaded, model: model.clone(), version };
        Box::new(move || drop(counted))
    })
}

fn on_turned(events: Sender<Event>) -> TurnHook {
    Box::new(move |model, version| {
        let (events, model) = (events.clone(), model.clone());
        // The manager may have ended where a shutdown ran out of time.
        Box::new(move || drop(events.send(Event::Turned(model.clone(), version))))
    })
}

impl RuntimeHandle {
    /// Waits until a snapshot is as wanted.
    pub async fn wait_until(&self, mut wanted: impl FnMut(&Snapshot) -> bool) {
        let mut published = self.shared.published.subscribe();
        while !wanted(&self.shared.snapshot.load()) {
            // The sender lives as long as this handle.
            if published.changed().await.is_err() {
                return;
            }
        }
    }

    /// Waits until every model that is to serve at the start was tried.
    pub async fn initial_load(&self) {
        self.wait_until(|snapshot| snapshot.idle).await;
    }

    /// Readiness fails from now on, while requests are still served: the first step of a graceful end.
    pub fn withdraw_readiness(&self) {
        self.shared.ready_withdrawn.store(true, Ordering::Release);
    }

    /// Refuses new requests, lets those accepted finish, and closes every session. True where all of it was
    /// done within `timeout`; else what still waited was refused.
    pub async fn shutdown(&self, timeout: Duration) -> bool {
        self.withdraw_readiness();
        self.shared.shutting_down.store(true, Ordering::Release);
        // References would keep the versions alive.
        let snapshot = self.shared.snapshot.load_full();
        let versions: Vec<_> =
            snapshot.models.values().flat_map(|model| model.versions.values()).map(Arc::downgrade).collect();
        drop(snapshot);
        let (done, finished) = oneshot::channel();
        if self.shared.events.send(Event::Shutdown(done)).is_err() {
            return true;
        }
        if tokio::time::timeout(timeout, finished).await.is_ok() {
            return true;
        }
        versions.iter().filter_map(std::sync::Weak::upgrade).for_each(|version| version.serving.abort());
        false
    }
}

impl Drop for RuntimeHandle {
    fn drop(&mut self) {
        self.shared.shutting_down.store(true, Ordering::Release);
        let (done, _) = oneshot::channel();
        // The manager has ended where a shutdown came before.
        let _ = self.shared.events.send(Event::Shutdown(done));
    }
}
