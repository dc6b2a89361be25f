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
    time::Instant,
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
    abandoned: AtomicU64,
    values: Box<[AtomicU64]>,
    bins: [AtomicU64; BINS],
    compared: AtomicU64,
    differed: AtomicU64,
    answers: AtomicU64,
}

/// A request whose outcome counts for an arm. Dropped without one, its caller went.
pub(crate) struct Sample {
    watch: Arc<Watch>,
    canary: bool,
    received: Instant,
    ended: bool,
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
            reading: reads.then(|| Reading::new(rollout.output.clone(), rollout.resolution)),
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
        let canary = self.is_canary(version);
        let sample = || Sample { watch: self.clone(), canary, received: Instant::now(), ended: false };
        (dealt_out && (canary || version == self.arms.stable)).then(sample)
    }

    /// Whether it looks at a version as the canary.
    pub(crate) fn is_canary(&self, version: u64) -> bool {
        version == self.arms.canary
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
    /// What came of it.
    pub(crate) fn ended(mut self, outcome: Result<&[NamedTensor], &Error>) {
        let arm = self.arm();
        match outcome {
            Err(error) if error.code() == ErrorCode::Cancelled => return,
            Err(_) => drop(arm.errors.fetch_add(1, Relaxed)),
            Ok(outputs) => {
                self.waited();
                self.read(arm, outputs);
            }
        }
        self.ended = true;
    }

    fn arm(&self) -> &Arm {
        if self.canary { &self.watch.canary } else { &self.watch.stable }
    }

    fn waited(&self) {
        count(&self.arm().latency, latency_bucket(self.received.elapsed()));
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

impl Drop for Sample {
    fn drop(&mut self) {
        if !self.ended {
            self.waited();
            self.arm().abandoned.fetch_add(1, Relaxed);
        }
    }
}

impl Arm {
    fn new(values: usize) -> Self {
        let zeros = |count| (0..count).map(|_| AtomicU64::new(0)).collect();
        Self {
            errors: AtomicU64::new(0),
            latency: zeros(LATENCY_BUCKETS),
            abandoned: AtomicU64::new(0),
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
            abandoned: self.abandoned.load(Relaxed),
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

#[cfg(test)]
mod tests {
    use girandole_core::Error;

    use super::*;
    use crate::traffic::Traffic;

    const ARMS: Arms = Arms { stable: 1, canary: 2 };

    fn watch() -> Arc<Watch> {
        let text =
            "[rollout]\nstable = 1\ncanary = 2\nsteps = [{ set_weight = 5 }]\nguards = { error_rate = 0.01 }";
        Arc::new(Watch::new(&Traffic::parse(text, "m").unwrap().rollout.unwrap(), ARMS))
    }

    #[test]
    fn outcomes_count_where_they_belong() {
        let watch = watch();
        let sample = |version| watch.sample(version, RouteReason::Split).unwrap();
        sample(1).ended(Ok(&[]));
        sample(2).ended(Err(&Error::invalid("it does not fit")));
        sample(2).ended(Ok(&[]));
        let Observed { stable, canary, .. } = watch.observed();
        assert_eq!((stable.requests(), stable.errors, stable.latency.total()), (1, 0, 1));
        assert_eq!((canary.requests(), canary.errors, canary.latency.total()), (2, 1, 1));
    }

    #[test]
    fn a_caller_that_went_waited_and_says_nothing_else() {
        let watch = watch();
        drop(watch.sample(2, RouteReason::Sticky));
        let gone = Error::new(ErrorCode::Cancelled, "the caller went");
        watch.sample(2, RouteReason::Split).unwrap().ended(Err(&gone));
        let canary = watch.observed().canary;
        assert_eq!(
            (canary.latency.total(), canary.abandoned, canary.requests(), canary.errors),
            (2, 2, 0, 0)
        );
    }

    #[test]
    fn only_what_the_split_deals_out_to_the_arms_is_a_sample() {
        let watch = watch();
        for (version, reason) in [(1, RouteReason::Rule), (2, RouteReason::Version), (3, RouteReason::Split)]
        {
            assert!(watch.sample(version, reason).is_none(), "{version} {reason:?}");
        }
        assert!(watch.compares(1, 2) && !watch.compares(2, 1));
    }
}
