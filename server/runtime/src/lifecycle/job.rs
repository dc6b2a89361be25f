//! What a loading thread does for one model: read, load, warm up. It decides nothing about what serves.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use girandole_core::{DeviceKind, Error, Model, PrecisionReport, Result};
use girandole_proto::config::ModelConfig;

use super::{
    admission::Admission,
    plan::{self, Attempt, Present},
    pool::Pool,
    precision,
    prepare::{Preparation, Prepared, read_config},
    rehearsal::Rehearsal,
    warmup::{self, MadeUp},
};
use crate::{
    config::{Resolved, VersionPolicy},
    instances::{CoreBudget, OnClosed, OnTurned, Serving, ServingOptions},
    repository::{FoundModel, Roots, scan_model, version_digest},
    settings::ModelSettings,
    snapshot::ServedVersion,
};

/// What batches on made-up shapes may take of a load on the CPU.
const REHEARSAL: Duration = Duration::from_millis(50);

/// Makes what to call when the sessions of this version of this model are closed.
pub(super) type CloseHook = Box<dyn Fn(&Arc<str>, u64) -> OnClosed + Send + Sync>;

/// Makes what to call when the breaker of this version of this model opens or closes.
pub(super) type TurnHook = Box<dyn Fn(&Arc<str>, u64) -> OnTurned + Send + Sync>;

/// What versions that serve tell the manager.
pub(super) struct Hooks {
    pub(super) on_closed: CloseHook,
    pub(super) on_turned: TurnHook,
}

/// What all jobs share.
pub(super) struct Workshop {
    pub(super) preparation: Preparation,
    pub(super) roots: Roots,
    /// Whether somebody wants to know the digests of versions.
    pub(super) work_out_digests: bool,
    pub(super) cores: Arc<CoreBudget>,
    pub(super) admission: Admission,
    /// Start what serves.
    pub(super) openers: Pool,
    pub(super) default_warmup: bool,
    pub(super) hooks: Hooks,
}

/// One look at one model.
pub(super) struct Update {
    pub(super) name: Arc<str>,
    /// What the scan found; `None` looks anew.
    pub(super) found: Option<FoundModel>,
    pub(super) present: Present,
    /// The versions that its traffic speaks of, and what pending labels point to; newer traffic that is found adds its own.
    pub(super) traffic: BTreeSet<u64>,
    pub(super) tried: BTreeMap<u64, Attempt>,
    /// A configuration in place of the file's.
    pub(super) config: Option<String>,
    /// Load what was tried already too.
    pub(super) force: bool,
}

/// What came of it.
pub(crate) struct Updated {
    pub(super) found: FoundModel,
    /// A moment before it was found.
    pub(super) began: Instant,
    pub(super) policy: VersionPolicy,
    pub(super) versions: Vec<(u64, Attempt, Result<Arc<ServedVersion>>)>,
}

impl Workshop {
    /// Does the job; `loading` is told which versions it is about to load.
    ///
    /// # Errors
    /// What is wrong with the model as a whole; its versions stay as they are.
    pub(super) fn update(&self, update: Update, loading: impl Fn(Vec<u64>)) -> Result<Updated> {
        // Whatever a model file does to the engine ends here.
        let done = catch_unwind(AssertUnwindSafe(|| self.try_update(update, loading)));
        done.unwrap_or_else(|_| Err(Error::internal("loading failed unexpectedly; the log has more")))
    }

    fn try_update(&self, update: Update, loading: impl Fn(Vec<u64>)) -> Result<Updated> {
        let began = Instant::now();
        let unknown = || Error::not_found(format!("model '{}' is in no model repository", update.name));
        let found = match update.found {
            Some(found) => found,
            None => scan_model(self.roots.clone(), &update.name)?.ok_or_else(unknown)?,
        };
        if let Some(problem) = &found.problem {
            return Err(Error::invalid(problem.clone()));
        }
        let written = read_config(&found.dir, update.config.as_deref())?;
        let policy = VersionPolicy::from_config(written.version_policy.as_ref())?;
        let newer = found.traffic.as_ref().and_then(|traffic| traffic.parse(&update.name).ok());
        let traffic = &update.traffic | &newer.map(|traffic| traffic.versions()).unwrap_or_default();
        let wanted = plan::wanted(&policy, &traffic, &found, &update.present);
        if wanted.is_empty() && found.versions.values().all(|version| !version.settling) {
            return Err(Error::invalid(plan::nothing_to_serve(&policy, &found)));
        }
        let config = update.config.as_deref();
        let to_load = plan::to_load(&wanted, &found, &update.tried, config, update.force);
        loading(to_load.clone());
        let load = |number| {
            (number, plan::attempt(&found, number, config), self.load(&update.name, &found, number, &written))
        };
        let versions = to_load.into_iter().map(load).collect();
        Ok(Updated { found, began, policy, versions })
    }

    /// One version, warm and ready to be published. A panic is this version's failure alone.
    fn load(
        &self,
        name: &Arc<str>,
        found: &FoundModel,
        number: u64,
        written: &ModelConfig,
    ) -> Result<Arc<ServedVersion>> {
        let load = AssertUnwindSafe(|| self.try_load(name, found, number, written));
        catch_unwind(load)
            .unwrap_or_else(|_| Err(Error::internal("the engine failed unexpectedly on this model")))
    }

    fn try_load(
        &self,
        name: &Arc<str>,
        found: &FoundModel,
        number: u64,
        written: &ModelConfig,
    ) -> Result<Arc<ServedVersion>> {
        let _leave = found.versions.get(&number).map(|found| self.admission.admit(found)).transpose()?;
        let Rehearsed { model, settings, config, precision, digest, warm } =
            self.prepare((name, number), found, written)?;
        let options = ServingOptions {
            model,
            settings: settings.clone(),
            name: name.clone(),
            version: number,
            cores: self.cores.clone(),
            on_turned: Some((self.hooks.on_turned)(name, number)),
            on_closed: Some((self.hooks.on_closed)(name, number)),
        };
        let buckets = options.model.buckets();
        let serving = self.openers.ask(|| Serving::start(options))?;
        if !warm {
            // By what the first session turns out to need, the engine knows whether there is room for the others.
            for some in [0..1, 1..serving.instances()].into_iter().filter(|some| !some.is_empty()) {
                let made_up = self.made_up(MadeUp::Everything);
                warmup::run(&settings, buckets.clone(), made_up, |batch| {
                    serving.warm_up_some(some.clone(), batch)
                })?;
            }
        }
        let model = name.clone();
        Ok(Arc::new(ServedVersion { model, version: number, settings, config, digest, precision, serving }))
    }

    /// Everything that can be done before sessions are opened.
    fn prepare(
        &self,
        (name, number): (&str, u64),
        found: &FoundModel,
        written: &ModelConfig,
    ) -> Result<Rehearsed> {
        let Prepared { model, resolved } = self.preparation.version(name, found, number, written)?;
        let Resolved { settings, config, .. } = resolved;
        let precision = precision::check(&*model, &settings, (name, number))?;
        // What devices keep is each session's own, so they are warmed up when they are open.
        let warm = settings.instances.iter().all(|placement| placement.kind == DeviceKind::Cpu);
        if warm {
            let mut rehearsal = Rehearsal::new(&*model);
            let made_up = self.made_up(MadeUp::Within(REHEARSAL));
            warmup::run(&settings, model.buckets(), made_up, |batch| rehearsal.run(batch))?;
        }
        let (settings, config) = (Arc::new(settings), Arc::new(config));
        let digest = self.digest(found, number);
        Ok(Rehearsed { model, settings, config, precision, digest, warm })
    }

    /// Batches of made-up shapes, where there are to be any.
    const fn made_up(&self, wanted: MadeUp) -> MadeUp {
        if self.default_warmup { wanted } else { MadeUp::Nothing }
    }

    /// The digest of a version's files; `None` where nobody wants it, or they cannot have one.
    fn digest(&self, found: &FoundModel, number: u64) -> Option<Arc<str>> {
        let dir = || found.dir.join(number.to_string());
        self.work_out_digests.then(|| version_digest(&dir()).ok()).flatten().map(Arc::from)
    }
}

/// A version whose sessions can be opened.
struct Rehearsed {
    model: Arc<dyn Model>,
    settings: Arc<ModelSettings>,
    config: Arc<ModelConfig>,
    precision: Option<PrecisionReport>,
    digest: Option<Arc<str>>,
    warm: bool,
}
