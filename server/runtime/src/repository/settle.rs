//! When a version's directory is taken: when it brings digests to check it by, or when nothing in it changed
//! for a settle time. A traffic file has no digests and waits for the time. Pure: time comes in from outside.

use std::{
    collections::HashMap,
    time::{Duration, Instant, SystemTime},
};

use super::{FoundVersion, Listing, Stamps, listing::differ};
use crate::traffic::FoundTraffic;

/// Since when each version has looked as it does.
#[derive(Debug)]
pub struct Settling {
    settle_time: Duration,
    seen: HashMap<(String, u64), (Stamps, Instant)>,
    seen_traffic: HashMap<String, (FoundTraffic, Instant)>,
    first: bool,
}

impl Settling {
    /// A version is complete when it did not change for `settle_time`.
    pub fn new(settle_time: Duration) -> Self {
        Self { settle_time, seen: HashMap::new(), seen_traffic: HashMap::new(), first: true }
    }

    /// Marks in `listing` what may still be written, and says when to look again because of it.
    ///
    /// In the first listing ever, the files' own times tell what has been there for long, so that a start
    /// does not wait. Later the clock of another machine may have set them, so only what was seen counts.
    pub fn observe(&mut self, listing: &mut Listing, now: Instant, wall: SystemTime) -> Option<Duration> {
        let mut before = std::mem::take(&mut self.seen);
        let mut look_again: Option<Duration> = None;
        for (name, model) in &mut listing.models {
            for (&number, version) in &mut model.versions {
                let key = (name.clone(), number);
                let known = before.remove(&key).filter(|(stamps, _)| !differ(stamps, &version.files));
                let since = known.map_or_else(|| self.first_seen(version, now, wall), |(_, since)| since);
                let left = self.left(since, now);
                version.settling = !version.sealed && !left.is_zero();
                if version.settling {
                    look_again = Some(look_again.map_or(left, |soonest| soonest.min(left)));
                }
                self.seen.insert(key, (version.files.clone(), since));
            }
        }
        let traffic = self.observe_traffic(listing, now);
        self.first = false;
        look_again.into_iter().chain(traffic).min()
    }

    fn observe_traffic(&mut self, listing: &mut Listing, now: Instant) -> Option<Duration> {
        let mut before = std::mem::take(&mut self.seen_traffic);
        let mut look_again = None;
        for (name, model) in &mut listing.models {
            let Some(found) = &mut model.traffic else { continue };
            let known = before.remove(name).filter(|(seen, _)| seen == found);
            let at_the_start = now.checked_sub(self.settle_time).filter(|_| self.first);
            let since = known.map_or(at_the_start.unwrap_or(now), |(_, since)| since);
            self.seen_traffic.insert(name.clone(), (found.clone(), since));
            let left = self.left(since, now);
            found.settling = !left.is_zero();
            look_again = look_again.into_iter().chain(found.settling.then_some(left)).min();
        }
        look_again
    }

    fn left(&self, since: Instant, now: Instant) -> Duration {
        self.settle_time.saturating_sub(now.saturating_duration_since(since))
    }

    fn first_seen(&self, version: &FoundVersion, now: Instant, wall: SystemTime) -> Instant {
        let newest = version.files.values().map(|stamp| stamp.touched).max();
        let age = newest.filter(|_| self.first).and_then(|newest| wall.duration_since(newest).ok());
        age.and_then(|age| now.checked_sub(age.min(self.settle_time))).unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        repository::{FileStamp, FoundModel},
        traffic::Origin,
    };

    const SETTLE: Duration = Duration::from_secs(2);

    fn listing(content: u64, sealed: bool) -> Listing {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let stamp = FileStamp { len: content, modified: time, touched: time };
        let files = Stamps::from([("model.onnx".to_owned(), stamp)]);
        let version = FoundVersion { files, sealed, settling: false };
        let model = FoundModel { versions: [(1, version)].into(), ..FoundModel::default() };
        Listing { models: [("m".to_owned(), model)].into() }
    }

    /// Whether the version is settling, looked at `seconds` after the start and after its files' time.
    fn look(settling: &mut Settling, start: Instant, seconds: u64, content: u64, sealed: bool) -> bool {
        let mut found = listing(content, sealed);
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1000 + seconds);
        let again = settling.observe(&mut found, start + Duration::from_secs(seconds), wall);
        let waits = found.models["m"].versions[&1].settling;
        assert_eq!(again.is_some(), waits);
        waits
    }

    #[test]
    fn at_the_start_old_files_are_complete_and_young_ones_are_not() {
        let start = Instant::now();
        assert!(!look(&mut Settling::new(SETTLE), start, 10, 1, false));
        assert!(look(&mut Settling::new(SETTLE), start, 1, 1, false));
        assert!(!look(&mut Settling::new(SETTLE), start, 1, 1, true));
    }

    #[test]
    fn a_traffic_file_that_changes_waits_too() {
        let (mut settling, start) = (Settling::new(SETTLE), Instant::now());
        let mut waits = |seconds, text: &str| {
            let mut found = listing(1, true);
            let traffic = FoundTraffic::new(text, Origin::Repository);
            found.models.get_mut("m").unwrap().traffic = Some(traffic);
            let again =
                settling.observe(&mut found, start + Duration::from_secs(seconds), SystemTime::UNIX_EPOCH);
            let waits = found.models["m"].traffic.as_ref().unwrap().settling;
            assert_eq!(again.is_some(), waits);
            waits
        };
        assert!(!waits(0, "a"), "a start does not wait");
        assert!(waits(1, "b"));
        assert!(waits(2, "b"));
        assert!(!waits(3, "b"));
        assert!(waits(4, "c"));
    }

    /// The time of day only makes a start wait, or not; what is seen to grow is waited for by another clock.
    #[test]
    fn a_time_of_day_that_jumps_hurries_nothing_that_is_seen_to_change() {
        let (mut settling, start) = (Settling::new(SETTLE), Instant::now());
        let mut waits = |seconds, content, wall| {
            let mut found = listing(content, false);
            settling.observe(&mut found, start + Duration::from_secs(seconds), wall);
            found.models["m"].versions[&1].settling
        };
        let (past, future) = (SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40));
        assert!(waits(0, 1, past), "files from the future");
        assert!(waits(1, 2, future));
        assert!(waits(2, 3, past));
        assert!(waits(3, 3, future));
        assert!(!waits(4, 3, past));
    }

    #[test]
    fn what_grows_is_not_taken_until_it_stops() {
        let (mut settling, start) = (Settling::new(SETTLE), Instant::now());
        assert!(!look(&mut settling, start, 10, 1, false));
        assert!(look(&mut settling, start, 11, 2, false));
        assert!(look(&mut settling, start, 12, 3, false));
        assert!(look(&mut settling, start, 13, 3, false));
        assert!(!look(&mut settling, start, 14, 3, false));
    }
}
