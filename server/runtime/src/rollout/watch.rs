//! What is seen of both arms while requests are answered: counters that many threads add to.
//!
//! A watch lives as long as a step: a new one comes with the new weights, so what was routed under old weights is
//! counted where it belongs. Only requests that the split dealt out count; who names a version is no sample.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use girandole_core::{Error, ErrorCode, NamedTensor, RouteReason};
use girandole_rollout::{
    self as rollout, BINS, Cuts, Histogram, LATENCY_BUCKETS, Observed, Plan, VALUE_BUCKETS, latency_bucket,
};

use super::value::Reading;
use crate::traffic::{Arms, Rollout};

/// Both arms of a step.
pub(crate) struct Watch {
    arms: Arms,
    stable: Arm,
    canary: Arm,
    /// `None` where no guard looks at values.
    reading: Option<Reading>,
    cuts: OnceLock<Cuts>,
    looks: AtomicU64,
}

/// One arm's counters.
struct Arm {
    errors: AtomicU64,
    latency: Box<[AtomicU64]>,
    values: Box<[AtomicU64]>,
    bins: [AtomicU64; BINS],
    compared: AtomicU64,
    differed: AtomicU64,
    answers: AtomicU64,
}

/// A request whose outcome counts for an arm.
pub(crate) struct Sample {
    watch: Arc<Watch>,
    canary: bool,
}

impl Watch {
    /// Nothing seen yet.
    pub(super) fn new(rollout: &Rollout, arms: Arms) -> Self {
        let reads = rollout.plan.guards.keys().any(|metric| metric.reads_values());
        let values = if reads { VALUE_BUCKETS } else { 0 };
        Self {
            arms,
            stable: Arm::new(values),
            canary: Arm::new(values),
            reading: reads.then(|| Reading::new(rollout.output.clone())),
            cuts: OnceLock::new(),
            looks: AtomicU64::new(0),
        }
    }

    /// The same for another step; bins stay as they were cut.
    pub(super) fn anew(&self, rollout: &Rollout) -> Self {
        let next = Self::new(rollout, self.arms);
        Self { cuts: self.cuts.clone(), ..next }
    }

    /// The versions that it looks at.
    pub(super) fn arms(&self) -> Arms {
        self.arms
    }

    /// The sample that a request is; `None` where it is none.
    pub(crate) fn sample(self: &Arc<Self>, version: u64, reason: RouteReason) -> Option<Sample> {
        let dealt_out = matches!(reason, RouteReason::Split | RouteReason::Sticky);
        let canary = version == self.arms.canary;
        (dealt_out && (canary || version == self.arms.stable)).then(|| Sample { watch: self.clone(), canary })
    }

    /// Whether a copy of what `answering` answers, for `shadow`, compares the two arms.
    pub(crate) fn compares(&self, answering: u64, shadow: u64) -> bool {
        Arms { stable: answering, canary: shadow } == self.arms
    }

    /// The canary answered what the stable version answered too.
    pub(crate) fn compared(&self, agreed: bool) {
        self.canary.differed.fetch_add(u64::from(!agreed), Relaxed);
        self.canary.compared.fetch_add(1, Relaxed);
    }

    /// One more look at everything so far.
    pub(super) fn look(&self, plan: &Plan) -> Observed {
        self.looks.fetch_add(1, Relaxed);
        let observed = self.observed();
        let values = &observed.stable.values;
        if self.reading.is_some() && values.total() >= plan.min_samples {
            self.cuts.get_or_init(|| Cuts::at_deciles(values));
        }
        observed
    }

    /// Everything so far.
    pub(super) fn observed(&self) -> Observed {
        let (stable, canary) = (self.stable.observed(), self.canary.observed());
        Observed { stable, canary, looks: self.looks.load(Relaxed) }
    }
}

impl Sample {
    /// What came of it, after how long. A caller that went says nothing about the version.
    pub(crate) fn ended<'a>(&self, latency: Duration, outcome: Result<&'a [NamedTensor], &'a Error>) {
        let arm = if self.canary { &self.watch.canary } else { &self.watch.stable };
        match outcome {
            Err(error) if error.code() == ErrorCode::Cancelled => {}
            Err(_) => drop(arm.errors.fetch_add(1, Relaxed)),
            Ok(outputs) => {
                count(&arm.latency, latency_bucket(latency));
                self.read(arm, outputs);
            }
        }
    }

    fn read(&self, arm: &Arm, outputs: &[NamedTensor]) {
        let Some(reading) = &self.watch.reading else { return };
        // Each arm counts its own, or what the split does in turn would choose what is read.
        let answer = arm.answers.fetch_add(1, Relaxed);
        let Some(bucket) = reading.bucket(outputs, answer) else { return };
        count(&arm.values, bucket);
        if let Some(cuts) = self.watch.cuts.get() {
            count(&arm.bins, cuts.bin(bucket));
        }
    }
}

impl Arm {
    fn new(values: usize) -> Self {
        let zeros = |count| (0..count).map(|_| AtomicU64::new(0)).collect();
        Self {
            errors: AtomicU64::new(0),
            latency: zeros(LATENCY_BUCKETS),
            values: zeros(values),
            bins: Default::default(),
            compared: AtomicU64::new(0),
            differed: AtomicU64::new(0),
            answers: AtomicU64::new(0),
        }
    }

    fn observed(&self) -> rollout::Arm {
        let counts = |all: &[AtomicU64]| Histogram::new(all.iter().map(|one| one.load(Relaxed)).collect());
        // The counters move on while they are read: what differed is never more than what was compared.
        let compared = self.compared.load(Relaxed);
        rollout::Arm {
            errors: self.errors.load(Relaxed),
            latency: counts(&self.latency),
            values: counts(&self.values),
            bins: std::array::from_fn(|i| self.bins[i].load(Relaxed)),
            compared,
            differed: self.differed.load(Relaxed).min(compared),
        }
    }
}

fn count(counters: &[AtomicU64], place: usize) {
    if let Some(counter) = counters.get(place) {
        counter.fetch_add(1, Relaxed);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("arms", &self.arms).finish_non_exhaustive()
    }
}
