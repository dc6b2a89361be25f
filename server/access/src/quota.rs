//! How much a caller may ask: requests a second (a token bucket, GCRA) and requests at once, each caller by name.

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

/// Callers whose buckets are remembered before those that are full again are let go.
const REMEMBERED: usize = 10_000;

/// As written; nothing written bounds nothing.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    requests_per_second: Option<NonZero<u32>>,
    burst: Option<NonZero<u32>>,
    concurrent: Option<NonZero<usize>>,
}

/// The bounds of a rule, and where its callers stand.
#[derive(Debug)]
pub(crate) struct Quota {
    rate: Option<DefaultKeyedRateLimiter<Arc<str>>>,
    concurrent: Option<NonZero<usize>>,
    in_work: Mutex<HashMap<Arc<str>, usize>>,
}

/// A request that was let in; counted as in work until it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Admitted {
    quota: Arc<Quota>,
    caller: Arc<str>,
}

impl Limits {
    /// The quota; `None` where nothing is bounded.
    ///
    /// # Errors
    /// What makes no sense.
    pub(crate) fn quota(self) -> Result<Option<Arc<Quota>>, String> {
        let Self { requests_per_second, burst, concurrent } = self;
        if burst.is_some() && requests_per_second.is_none() {
            return Err("burst is of no use without requests_per_second".to_owned());
        }
        let rate = requests_per_second.map(|rate| {
            let quota = governor::Quota::per_second(rate);
            RateLimiter::keyed(burst.map_or(quota, |burst| quota.allow_burst(burst)))
        });
        let quota = Quota { rate, concurrent, in_work: Mutex::default() };
        Ok((quota.rate.is_some() || concurrent.is_some()).then(|| Arc::new(quota)))
    }
}

impl Quota {
    /// Lets one more request of a caller in.
    ///
    /// # Errors
    /// `Overloaded` with when to try again.
    pub(crate) fn admit(self: &Arc<Self>, caller: &str) -> Result<Admitted> {
        let caller: Arc<str> = caller.into();
        self.count(&caller)?;
        // What is not let in for its rate gives its place back by being dropped.
        let admitted = Admitted { quota: self.clone(), caller };
        if let Some(rate) = &self.rate {
            if rate.len() > REMEMBERED {
                rate.retain_recent();
            }
            rate.check_key(&admitted.caller).map_err(|until| {
                let wait = until.wait_time_from(DefaultClock::default().now());
                let message = format!("'{}' asks more often than its quota allows", admitted.caller);
                Error::new(ErrorCode::Overloaded, message).retry_after(wait)
            })?;
        }
        Ok(admitted)
    }

    fn count(&self, caller: &Arc<str>) -> Result<()> {
        let mut in_work = self.in_work.lock().unwrap_or_else(PoisonError::into_inner);
        let count = in_work.entry(caller.clone()).or_default();
        if self.concurrent.is_some_and(|most| *count >= most.get()) {
            let message = format!("'{caller}' has {count} requests in work, as many as its quota allows");
            return Err(Error::new(ErrorCode::Overloaded, message));
        }
        *count += 1;
        Ok(())
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut in_work = self.quota.in_work.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = in_work.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                in_work.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(text: &str) -> Arc<Quota> {
        toml::from_str::<Limits>(text).unwrap().quota().unwrap().unwrap()
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
        assert!(Limits::default().quota().unwrap().is_none());
        assert!(toml::from_str::<Limits>("burst = 3").unwrap().quota().is_err());
        assert!(toml::from_str::<Limits>("requests_per_second = 0").is_err());
    }
}
