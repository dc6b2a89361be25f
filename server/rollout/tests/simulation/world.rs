//! Requests to two versions, drawn by chance.

use std::{f64::consts::TAU, time::Duration};

use girandole_rollout::{Arm, Cuts, Observed, latency_bucket, value_bucket};

/// Requests to both arms between two looks.
pub(crate) const REQUESTS_A_LOOK: u64 = 200;
/// The part of the stable arm's requests that the canary answers too.
const COMPARED: f64 = 0.5;
/// Standard deviation of the logarithm of latency.
const SPREAD: f64 = 0.3;

/// Nine tenths of the standard normal distribution lie below.
const SLOWEST_TENTH: f64 = 1.281_551_565_544_600_4;

/// How a version behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Behaviour {
    /// The part of requests that fail.
    pub(crate) errors: f64,
    /// Its latency as a multiple of the usual one.
    pub(crate) slowness: f64,
    /// The same for the slowest tenth alone.
    pub(crate) tail: f64,
    /// The part of requests that it answers otherwise than the stable version.
    pub(crate) differs: f64,
    /// By how many standard deviations its outputs are moved.
    pub(crate) shift: f64,
}

impl Behaviour {
    /// Half as far beyond the limits in what is not as usual.
    pub(crate) fn nearer_to(self, limits: Self, usual: Self) -> Self {
        let half = |own: f64, limit, usual| if own == usual { own } else { f64::midpoint(own, limit) };
        Self {
            errors: half(self.errors, limits.errors, usual.errors),
            slowness: half(self.slowness, limits.slowness, usual.slowness),
            tail: half(self.tail, limits.tail * limits.slowness, usual.tail),
            differs: half(self.differs, limits.differs, usual.differs),
            shift: half(self.shift, limits.shift, usual.shift),
        }
    }
}

impl Default for Behaviour {
    fn default() -> Self {
        Self { errors: 0.0, slowness: 1.0, tail: 1.0, differs: 0.0, shift: 0.0 }
    }
}

/// Two versions and their traffic.
pub(crate) struct World {
    stable: Behaviour,
    canary: Behaviour,
    random: fastrand::Rng,
    observed: Observed,
    cuts: Option<Cuts>,
}

impl World {
    pub(crate) fn new(stable: Behaviour, canary: Behaviour, seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        Self { stable, canary, random, observed: Observed::default(), cuts: None }
    }

    /// A step begins: what was seen before counts no more.
    pub(crate) fn new_step(&mut self) {
        self.observed = Observed::default();
    }

    /// What was seen in the step after some more requests.
    pub(crate) fn look(&mut self, weight: f64, min_samples: u64) -> Observed {
        for _ in 0..REQUESTS_A_LOOK {
            self.request(weight);
        }
        self.observed.looks += 1;
        let stable = &self.observed.stable.values;
        if self.cuts.is_none() && stable.total() >= min_samples {
            self.cuts = Some(Cuts::at_deciles(stable));
        }
        self.observed.clone()
    }

    fn request(&mut self, weight: f64) {
        let (random, cuts) = (&mut self.random, self.cuts.as_ref());
        if random.f64() * 100.0 < weight {
            return answer(&mut self.observed.canary, self.canary, random, cuts);
        }
        answer(&mut self.observed.stable, self.stable, random, cuts);
        if random.f64() < COMPARED {
            self.observed.canary.compared += 1;
            self.observed.canary.differed += u64::from(random.f64() < self.canary.differs);
        }
    }
}

fn answer(arm: &mut Arm, behaviour: Behaviour, random: &mut fastrand::Rng, cuts: Option<&Cuts>) {
    if random.f64() < behaviour.errors {
        arm.errors += 1;
        return;
    }
    let [speed, value] = normal(random);
    let tail = if speed > SLOWEST_TENTH { behaviour.tail } else { 1.0 };
    let millis = 5.0 * behaviour.slowness * tail * (SPREAD * speed).exp();
    arm.latency.add(latency_bucket(Duration::from_secs_f64(millis / 1e3)));
    let bucket = value_bucket(value + behaviour.shift);
    arm.values.add(bucket);
    if let Some(cuts) = cuts {
        arm.bins[cuts.bin(bucket)] += 1;
    }
}

/// Two numbers of the standard normal distribution (Box and Muller).
fn normal(random: &mut fastrand::Rng) -> [f64; 2] {
    let (radius, angle) = ((-2.0 * (1.0 - random.f64()).ln()).sqrt(), TAU * random.f64());
    [radius * angle.cos(), radius * angle.sin()]
}

/// The ratio of two quantiles of latency.
pub(crate) fn factor_between(low: f64, high: f64) -> f64 {
    (SPREAD * (z(high) - z(low))).exp()
}

/// The shift of a normal distribution whose distance of Kolmogorov and Smirnov from the unmoved one is this.
pub(crate) fn shift_with(distance: f64) -> f64 {
    2.0 * z(f64::midpoint(1.0, distance))
}

/// The standard normal distribution's quantile.
fn z(p: f64) -> f64 {
    let (mut low, mut high) = (-10.0f64, 10.0f64);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        match 0.5 * libm::erfc(-middle / std::f64::consts::SQRT_2) < p {
            true => low = middle,
            false => high = middle,
        }
    }
    low
}
