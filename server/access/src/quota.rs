//! How much a caller may ask, or a model is asked: requests a second (a token bucket, GCRA) and requests at once, each
//! caller and each model by name.

use std::{
    collections::HashMap,
    num::NonZero,
    sync::{Arc, Mutex, PoisonError},
};

use girandole_core::{Error, ErrorCode, Result};
use governor::{
    DefaultKeyedRateLimiter, RateLimiter,
    clock::{Clock, DefaultClock},
};
use serde::Deserialize;

/// Names whose buckets are remembered before those that are full again are let go.
const REMEMBERED: usize = 10_000;

/// As written; nothing written bounds nothing.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    requests_per_second: Option<NonZero<u32>>,
    burst: Option<NonZero<u32>>,
    concurrent: Option<NonZero<usize>>,
}

/// Whose requests are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// A caller's, of any model.
    Callers,
    /// A model's, by any caller.
    Models,
}

/// The bounds of a rule, and where those stand whom it is for.
#[derive(Debug)]
pub(crate) struct Quota {
    of: Of,
    rate: Option<DefaultKeyedRateLimiter<Arc<str>>>,
    concurrent: Option<NonZero<usize>>,
    in_work: Mutex<HashMap<Arc<str>, usize>>,
}

/// A request that was let in; counted as in work until it is dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct Turn {
    quota: Arc<Quota>,
    name: Arc<str>,
}

impl Limits {
    /// The quota; `None` where nothing is bounded.
    ///
    /// # Errors
    /// What makes no sense.
    pub(crate) fn quota(self, of: Of) -> Result<Option<Arc<Quota>>, String> {
        let Self { requests_per_second, burst, concurrent } = self;
        if burst.is_some() && requests_per_second.is_none() {
            return Err("burst is of no use without requests_per_second".to_owned());
        }
        let rate = requests_per_second.map(|rate| {
            let quota = governor::Quota::per_second(rate);
            RateLimiter::keyed(burst.map_or(quota, |burst| quota.allow_burst(burst)))
        });
        let quota = Quota { of, rate, concurrent, in_work: Mutex::default() };
        Ok((quota.rate.is_some() || concurrent.is_some()).then(|| Arc::new(quota)))
    }
}

impl Quota {
    /// Lets one more request in, of the caller or model of this name.
    ///
    /// # Errors
    /// `Overloaded` with when to try again.
    pub(crate) fn admit(self: &Arc<Self>, name: &str) -> Result<Turn> {
        let name: Arc<str> = name.into();
        self.count(&name)?;
        // What is not let in for its rate gives its place back by being dropped.
        let turn = Turn { quota: self.clone(), name };
        if let Some(rate) = &self.rate {
            if rate.len() > REMEMBERED {
                rate.retain_recent();
            }
            rate.check_key(&turn.name).map_err(|until| {
                let wait = until.wait_time_from(DefaultClock::default().now());
                let message = self.of.asked_too_often(&turn.name);
                Error::new(ErrorCode::Overloaded, message).retry_after(wait)
            })?;
        }
        Ok(turn)
    }

    fn count(&self, name: &Arc<str>) -> Result<()> {
        let mut in_work = self.in_work.lock().unwrap_or_else(PoisonError::into_inner);
        let count = in_work.entry(name.clone()).or_default();
        if self.concurrent.is_some_and(|most| *count >= most.get()) {
            let noun = self.of.noun();
            let message =
                format!("{noun} '{name}' has {count} requests in work, as many as its quota allows");
            return Err(Error::new(ErrorCode::Overloaded, message));
        }
        *count += 1;
        Ok(())
    }
}

impl Of {
    const fn noun(self) -> &'static str {
        match self {
            Self::Callers => "caller",
            Self::Models => "model",
        }
    }

    fn asked_too_often(self, name: &str) -> String {
        let asks = match self {
            Self::Callers => "asks",
            Self::Models => "is asked",
        };
        format!("{} '{name}' {asks} more often than its quota allows", self.noun())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut in_work = self.quota.in_work.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = in_work.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                in_work.remove(&self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(text: &str) -> Arc<Quota> {
        toml::from_str::<Limits>(text).unwrap().quota(Of::Callers).unwrap().unwrap()
    }

    #[test]
    fn each_caller_has_a_burst_and_is_told_when_to_come_back() {
        let quota = quota("requests_per_second = 1\nburst = 3");
        for _ in 0..3 {
            let _ = quota.admit("a").unwrap();
        }
        let refused = quota.admit("a").unwrap_err();
        assert_eq!(refused.code(), ErrorCode::Overloaded);
        assert!(refused.retry_hint().is_some_and(|wait| wait.as_secs_f64() <= 1.0), "{refused:?}");
        assert!(quota.admit("b").is_ok(), "another's bucket is another");
        assert!(quota.in_work.lock().unwrap().is_empty(), "who was refused is not in work");
    }

    #[test]
    fn places_come_back_when_requests_end() {
        let quota = quota("concurrent = 2");
        let (first, _second) = (quota.admit("a").unwrap(), quota.admit("a").unwrap());
        assert_eq!(quota.admit("a").unwrap_err().code(), ErrorCode::Overloaded);
        drop(first);
        assert!(quota.admit("a").is_ok());
    }

    #[test]
    fn what_is_not_bounded_has_no_quota() {
        assert!(Limits::default().quota(Of::Models).unwrap().is_none());
        assert!(toml::from_str::<Limits>("burst = 3").unwrap().quota(Of::Models).is_err());
        assert!(toml::from_str::<Limits>("requests_per_second = 0").is_err());
    }
}
