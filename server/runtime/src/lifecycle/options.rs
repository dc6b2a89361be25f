//! What the runtime is started with.

use std::{num::NonZero, path::PathBuf, sync::Arc, thread, time::Duration};

use girandole_core::audit::Witness;

use super::{memory, pool::LoadPriority};
use crate::{
    config::{Completion, Devices},
    repository::Trust,
    service::DEFAULT_IN_FLIGHT_BYTES,
    trace::TraceOptions,
};

/// Which models serve, and who decides.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum ControlMode {
    /// Every model that is there at the start; later changes are not looked at.
    #[default]
    None,
    /// Every model that is there, and every change while the server runs.
    Poll,
    /// These at the start (`*` for all), then what callers load and unload.
    Explicit {
        /// Names of models.
        load_models: Vec<String>,
    },
}

/// Called after a version's memory was let go, on the thread that let it go: the place to return freed
/// memory to the system.
pub type OnUnloaded = Arc<dyn Fn() + Send + Sync>;

/// What the runtime is started with.
#[derive(Clone)]
pub struct RuntimeOptions {
    /// The model repositories, at least one.
    pub repositories: Vec<PathBuf>,
    /// Which models serve, and who decides.
    pub control_mode: ControlMode,
    /// How often repositories are looked at, file notifications aside.
    pub poll_interval: Duration,
    /// How long a version without digests must not change before it is taken.
    pub settle_time: Duration,
    /// What may be inferred where a configuration says nothing.
    pub completion: Completion,
    /// What is asked of versions' files.
    pub trust: Trust,
    /// Whether versions run batches of every size that will be used before they serve.
    pub default_warmup: bool,
    /// Models that may load at once.
    pub load_threads: usize,
    /// How the threads that load them stand against those that serve.
    pub load_priority: LoadPriority,
    /// How long a load may take before the log and the index say that it takes long.
    pub slow_load: Duration,
    /// Processor threads that all sessions together may keep busy.
    pub cores: usize,
    /// Where sessions can go besides the processor.
    pub devices: Devices,
    /// Bytes of requests that may be in flight at once.
    pub in_flight_bytes: usize,
    /// Which requests are traced at the start, and where to.
    pub trace: TraceOptions,
    /// Where the server keeps what must outlast it: traffic of repositories that cannot be written, and where
    /// rollouts stand. The latter is beside the models where no directory is given.
    pub state_dir: Option<PathBuf>,
    /// Bytes of memory that loads may still take; `None` where that is not known.
    pub available_memory: fn() -> Option<u64>,
    /// Called after a version's memory was let go.
    pub on_unloaded: Option<OnUnloaded>,
    /// Who is told of every change; with one, versions' digests are worked out when they are loaded.
    pub witness: Option<Arc<dyn Witness>>,
}

impl Default for RuntimeOptions {
    fn default() -> Self {
        Self {
            repositories: Vec::new(),
            control_mode: ControlMode::None,
            poll_interval: Duration::from_secs(15),
            settle_time: Duration::from_secs(2),
            completion: Completion::default(),
            trust: Trust::default(),
            default_warmup: true,
            load_threads: 2,
            load_priority: LoadPriority::default(),
            slow_load: Duration::from_secs(60),
            cores: thread::available_parallelism().map_or(1, NonZero::get),
            devices: Devices::default(),
            in_flight_bytes: DEFAULT_IN_FLIGHT_BYTES,
            trace: TraceOptions::default(),
            state_dir: None,
            available_memory: memory::available,
            on_unloaded: None,
            witness: None,
        }
    }
}
