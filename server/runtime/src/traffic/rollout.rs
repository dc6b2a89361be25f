//! A rollout as a traffic file has it: between which two arms, and by which plan.

use girandole_rollout::Plan;

use super::{Split, Target, Traffic};

/// What a rollout's arms weigh together where the file gives no split.
const WHOLE: f64 = 100.0;

/// A canary that goes its way by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollout {
    /// What serves before.
    pub stable: Target,
    /// What is tried.
    pub canary: Target,
    /// Steps and guard rails.
    pub plan: Plan,
    /// The output whose values are looked at; all in turn where none is named.
    pub output: Option<String>,
    /// Values are rounded to multiples of this before they are compared; not at all where it is not given.
    pub resolution: Option<f64>,
}

/// The versions that a rollout is between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Arms {
    /// What serves before.
    pub stable: u64,
    /// What is tried.
    pub canary: u64,
}

impl Traffic {
    /// The rollout and its versions; `None` where there is none, or both arms mean the same version.
    pub fn rolls_out(&self) -> Option<(&Rollout, Arms)> {
        let rollout = self.rollout.as_ref()?;
        let arms = Arms { stable: self.wanted(&rollout.stable)?, canary: self.wanted(&rollout.canary)? };
        (arms.stable != arms.canary).then_some((rollout, arms))
    }

    /// The version that a target is to mean.
    fn wanted(&self, target: &Target) -> Option<u64> {
        match target {
            Target::Version(number) => Some(*number),
            Target::Label(label) => self.labels.get(&**label).copied(),
        }
    }

    /// The same where the canary gets `percent` of what both arms get.
    pub(crate) fn with_weight(&self, rollout: &Rollout, percent: f64) -> Self {
        let split = self.split.as_ref().map(|split| split.shared_out(rollout, percent));
        Self { split, ..self.clone() }
    }
}

/// The split's weights with both arms among them, so that a rollout can share theirs out.
///
/// # Errors
/// Where they weigh nothing together.
pub(super) fn weights(
    mut weights: Vec<(Target, f64)>,
    rollout: &Rollout,
    written: bool,
) -> Result<Vec<(Target, f64)>, String> {
    for (arm, weight) in [(&rollout.stable, if written { 0.0 } else { WHOLE }), (&rollout.canary, 0.0)] {
        if !weights.iter().any(|(target, _)| target == arm) {
            weights.push((arm.clone(), weight));
        }
    }
    let is_arm = |target: &Target| [&rollout.stable, &rollout.canary].contains(&target);
    match weights.iter().any(|(target, weight)| is_arm(target) && *weight > 0.0) {
        true => Ok(weights),
        false => {
            let (stable, canary) = (&rollout.stable, &rollout.canary);
            Err(format!("the rollout shares out the weights of '{stable}' and '{canary}', and both are 0"))
        }
    }
}

impl Split {
    fn shared_out(&self, rollout: &Rollout, percent: f64) -> Self {
        let is_arm = |target: &Target| [&rollout.stable, &rollout.canary].contains(&target);
        let whole: f64 = self.arms().iter().filter(|arm| is_arm(&arm.target)).map(|arm| arm.weight).sum();
        self.reweighed(|arm| match &arm.target {
            target if *target == rollout.canary => whole * percent / 100.0,
            target if *target == rollout.stable => whole * (100.0 - percent) / 100.0,
            _ => arm.weight,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights_at(text: &str, percent: f64) -> Vec<(String, f64)> {
        let guard = "interval = \"1s\"\nsteps = [{ set_weight = 5 }]\nguards = { error_rate = 0.01 }\n";
        let labels = "[labels]\nstable = 1\ncanary = 2\n";
        let traffic = Traffic::parse(&format!("{labels}{text}\n[rollout]\n{guard}"), "m").unwrap();
        let (rollout, arms) = traffic.rolls_out().unwrap();
        assert_eq!(arms, Arms { stable: 1, canary: 2 });
        let traffic = traffic.with_weight(rollout, percent);
        traffic.split.unwrap().arms().iter().map(|arm| (arm.name.to_string(), arm.weight)).collect()
    }

    #[test]
    fn a_rollout_shares_out_what_its_arms_weigh_together() {
        let of = |weights: &[(&str, f64)]| -> Vec<_> {
            weights.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect()
        };
        assert_eq!(weights_at("", 5.0), of(&[("canary", 5.0), ("stable", 95.0)]));
        let other = "[split]\nweights = { stable = 40, 3 = 60 }";
        assert_eq!(weights_at(other, 25.0), of(&[("3", 60.0), ("canary", 10.0), ("stable", 30.0)]));
        assert_eq!(weights_at(other, 0.0), of(&[("3", 60.0), ("canary", 0.0), ("stable", 40.0)]));
    }

    #[test]
    fn the_same_version_twice_is_no_rollout() {
        let text = "[labels]\nstable = 2\ncanary = 2\n[rollout]\ninterval = \"1s\"\nsteps = [{ set_weight = 5 }]\nguards = { ks = 0.1 }";
        assert_eq!(Traffic::parse(text, "m").unwrap().rolls_out(), None);
    }
}
