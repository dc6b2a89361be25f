//! Everything that requests need to know about models, as of one moment.
//!
//! Invariant: a snapshot is never changed. The lifecycle builds the next one and stores it with one swap, so
//! a request sees one consistent state from its start to its end, and keeps its version alive by reference.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use girandole_core::{Error, InferRequest, PrecisionReport, Result, Route, VersionSelector};
use girandole_proto::config::ModelConfig;

use crate::{
    breaker::Trial,
    instances::Serving,
    rollout::Sample,
    routing::{Choice, Miss, Routes},
    service::VersionState,
    settings::ModelSettings,
    shadow::Recipient,
    sync::now,
};

/// When to ask again for a model that does not serve now.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// All models that the repository holds, serving or not.
#[derive(Default)]
pub struct Snapshot {
    /// Models by name.
    pub models: HashMap<Arc<str>, Arc<ServedModel>>,
    /// Every model that was to serve at the start serves, but for those taken away since.
    pub ready: bool,
    /// The repositories were read, and no model is being loaded.
    pub idle: bool,
    /// Why the repositories cannot be read now, where they cannot; what serves goes on.
    pub unreachable: Option<Arc<str>>,
}

/// One model: the versions that serve, and where every version stands.
pub struct ServedModel {
    /// Its name.
    pub name: Arc<str>,
    /// The versions that serve, ascending.
    pub versions: BTreeMap<u64, Arc<ServedVersion>>,
    /// Where every version stands that was ever tried, those that serve included.
    pub states: BTreeMap<u64, VersionStatus>,
    /// What is wrong with the model as a whole, such as a configuration that does not parse.
    pub problem: Option<String>,
    /// Which version each request goes to.
    pub routes: Arc<Routes>,
}

/// Where a version stands, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionStatus {
    /// Where it stands.
    pub state: VersionState,
    /// Why, where it is not READY; where it is, why its newest files do not serve. Else empty.
    pub reason: String,
}

/// A version that serves. Its sessions close when the last reference goes.
pub struct ServedVersion {
    /// The model's name.
    pub model: Arc<str>,
    /// The version.
    pub version: u64,
    /// How it is served.
    pub settings: Arc<ModelSettings>,
    /// The same as clients see it, everything inferred filled in.
    pub config: Arc<ModelConfig>,
    /// SHA-256 of its files' `SHA256SUMS`, where it was worked out.
    pub digest: Option<Arc<str>>,
    /// What its precision costs, where it computes with less than full precision.
    pub precision: Option<PrecisionReport>,
    /// Its queue and sessions.
    pub serving: Serving,
}

/// Where a request goes, and what else comes of it.
pub(crate) struct Routed<'a> {
    /// The version that answers it.
    pub(crate) version: &'a Arc<ServedVersion>,
    /// Why this one.
    pub(crate) route: Route,
    /// Who gets a copy, if anybody does.
    pub(crate) shadow: Option<Recipient>,
    /// The rollout that its outcome counts for, if one runs.
    pub(crate) sample: Option<Sample>,
    /// Held while it is answered, where it tries a version that is out of the traffic.
    pub(crate) trial: Option<Trial>,
}

/// The version that answers a request.
struct Chosen<'a> {
    version: &'a Arc<ServedVersion>,
    route: Route,
    trial: Option<Trial>,
}

impl Snapshot {
    /// The version that a selector means: the number, or for any the newest that serves.
    ///
    /// # Errors
    /// `NotFound` for an unknown model or version, `Unavailable` with state and reason for one that does
    /// not serve now.
    pub fn find(&self, model: &str, selector: &VersionSelector) -> Result<&Arc<ServedVersion>> {
        let model = self.model(model)?;
        let number = model.routes.find(selector, model.serving());
        model.version(number.map_err(|miss| model.missed(miss, selector))?)
    }

    /// Where a request goes.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub(crate) fn route(&self, request: &InferRequest) -> Result<Routed<'_>> {
        let model = self.model(&request.model)?;
        let choice = model.routes.choose(request, model.serving());
        let choice = choice.map_err(|miss| model.missed(miss, &request.version))?;
        let mut chosen = Chosen { version: model.version(choice.version)?, route: choice.route, trial: None };
        if chosen.version.serving.breaker().is_out() {
            chosen = model.around(chosen, request);
        }
        let Chosen { version, route, trial } = chosen;
        model.routes.count(&route);
        // Who names a version tests it, and is no sample of the traffic.
        let dealt_out = request.version == VersionSelector::Any;
        let shadow = dealt_out.then(|| model.shadow(version.version)).flatten();
        let watch = model.routes.watch();
        let sample = watch.and_then(|watch| watch.sample(version.version, route.reason));
        Ok(Routed { version, route, shadow, sample, trial })
    }

    fn model(&self, name: &str) -> Result<&ServedModel> {
        self.models.get(name).map(|model| &**model).ok_or_else(|| unknown_model(name))
    }
}

impl ServedModel {
    /// The numbers of the versions that serve, ascending.
    fn serving(&self) -> impl DoubleEndedIterator<Item = u64> + Clone {
        self.versions.keys().copied()
    }

    /// A version of [`Self::serving`].
    fn version(&self, number: u64) -> Result<&Arc<ServedVersion>> {
        self.versions.get(&number).ok_or_else(|| self.not_serving())
    }

    /// What comes of a choice whose version is out of the traffic: a trial where it is time for one, else another
    /// version where there is one.
    #[cold]
    fn around<'a>(&'a self, chosen: Chosen<'a>, request: &InferRequest) -> Chosen<'a> {
        if !self.routes.may_fall_back(request, chosen.version.version) {
            return chosen;
        }
        let trial = chosen.version.serving.breaker().begin_trial(now());
        if trial.is_some() {
            return Chosen { trial, ..chosen };
        }
        let healthy = self.versions.iter().filter(|(_, version)| !version.serving.breaker().is_out());
        let other =
            self.routes.fall_back(request, chosen.version.version, healthy.map(|(&number, _)| number));
        let other = other.and_then(|Choice { version, route }| Some((self.versions.get(&version)?, route)));
        other.map_or(chosen, |(version, route)| Chosen { version, route, trial: None })
    }

    /// Who gets a copy of a request that version `answering` answers, if anybody does.
    fn shadow(&self, answering: u64) -> Option<Recipient> {
        let (version, shadow) = self.routes.shadow(answering, self.serving())?;
        let watch = self.routes.watch().filter(|watch| watch.compares(answering, version));
        Some(Recipient {
            version: self.versions.get(&version)?.clone(),
            tolerance: shadow.tolerance,
            metrics: self.routes.shadow_metrics.clone()?,
            watch: watch.cloned(),
        })
    }

    fn missed(&self, miss: Miss, selector: &VersionSelector) -> Error {
        match miss {
            Miss::NothingServes => self.not_serving(),
            Miss::NoArmServes => {
                let why = format!("model '{}': no version serves that its traffic gives a share", self.name);
                Error::unavailable(why).retry_after(RETRY_AFTER)
            }
            Miss::NotServing(number) => {
                let error = self.version_not_serving(number);
                // A label that is there is not wrong to ask for: its version may come yet.
                match selector {
                    VersionSelector::Label(label) => Error::unavailable(error.message())
                        .context(format!("label '{label}' waits for its version"))
                        .retry_after(RETRY_AFTER),
                    _ => error,
                }
            }
            Miss::UnknownLabel => {
                let labels: Vec<_> = self.routes.labels.keys().map(String::as_str).collect();
                let labels = if labels.is_empty() { "none".to_owned() } else { labels.join(", ") };
                let asked = clip(&selector.to_string());
                Error::not_found(format!("model '{}' has no {asked}; labels: {labels}", self.name))
            }
        }
    }

    /// Why no version serves.
    fn not_serving(&self) -> Error {
        let why = match (&self.problem, self.states.last_key_value()) {
            (Some(problem), _) => format!("model '{}' does not serve: {problem}", self.name),
            (None, Some((version, status))) => {
                format!("model '{}' does not serve: version {version} {status}", self.name)
            }
            (None, None) => format!("model '{}' is not loaded", self.name),
        };
        Error::unavailable(why).retry_after(RETRY_AFTER)
    }

    fn version_not_serving(&self, version: u64) -> Error {
        if let Some(status) = self.states.get(&version) {
            let why = format!("model '{}' version {version} {status}", self.name);
            return Error::unavailable(why).retry_after(RETRY_AFTER);
        }
        let serving: Vec<_> = self.versions.keys().map(u64::to_string).collect();
        let serving = if serving.is_empty() { "none".to_owned() } else { serving.join(", ") };
        Error::not_found(format!("model '{}' has no version {version}; serving: {serving}", self.name))
    }
}

/// No model has this name.
pub(crate) fn unknown_model(name: &str) -> Error {
    Error::not_found(format!("unknown model '{}'", clip(name)))
}

impl std::fmt::Display for VersionStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "is {}", self.state)?;
        if self.reason.is_empty() { Ok(()) } else { write!(f, ": {}", self.reason) }
    }
}

/// A caller's text, short enough for a message.
fn clip(text: &str) -> String {
    text.chars().take(64).collect()
}
