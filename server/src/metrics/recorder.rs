//! One of the exporter's recorders for the process, and one for each version, since a recorder takes no single series
//! out again.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use girandole_runtime::metrics as runtime_metrics;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::{VersionKey, families};

/// Series with the labels `model` and `version` are their version's, all others the process's.
pub(super) struct ByVersion {
    process: PrometheusRecorder,
    versions: RwLock<BTreeMap<VersionKey, PrometheusRecorder>>,
    descriptions: RwLock<HashMap<String, SharedString>>,
}

impl ByVersion {
    pub(super) fn new() -> Self {
        Self { process: recorder(), versions: RwLock::default(), descriptions: RwLock::default() }
    }

    /// Prometheus' text of all recorders, each metric's series together.
    pub(super) fn render(&self) -> String {
        let texts: Vec<_> = self.handles().iter().map(PrometheusHandle::render).collect();
        families::merge(&texts, &read(&self.descriptions))
    }

    pub(super) fn run_upkeep(&self) {
        self.handles().iter().for_each(PrometheusHandle::run_upkeep);
    }

    /// The versions that have series.
    pub(super) fn versions(&self) -> Vec<VersionKey> {
        read(&self.versions).keys().cloned().collect()
    }

    /// Takes versions' series out. Who still records them is heard no more.
    pub(super) fn forget(&self, versions: &[VersionKey]) {
        if versions.is_empty() {
            return;
        }
        let mut all = write(&self.versions);
        versions.iter().for_each(|version| drop(all.remove(version)));
    }

    fn handles(&self) -> Vec<PrometheusHandle> {
        let versions = read(&self.versions);
        std::iter::once(&self.process).chain(versions.values()).map(PrometheusRecorder::handle).collect()
    }

    fn describe(&self, name: &KeyName, description: SharedString) {
        write(&self.descriptions).insert(name.as_str().to_owned(), description);
    }

    /// Asks the recorder that a series belongs to.
    fn with<T>(&self, key: &Key, ask: impl FnOnce(&PrometheusRecorder) -> T) -> T {
        let Some(version) = version_of(key) else { return ask(&self.process) };
        if let Some(recorder) = read(&self.versions).get(&version) {
            return ask(recorder);
        }
        ask(write(&self.versions).entry(version).or_insert_with(recorder))
    }
}

impl Recorder for ByVersion {
    fn describe_counter(&self, name: KeyName, _unit: Option<Unit>, description: SharedString) {
        self.describe(&name, description);
    }
    fn describe_gauge(&self, name: KeyName, _unit: Option<Unit>, description: SharedString) {
        self.describe(&name, description);
    }
    fn describe_histogram(&self, name: KeyName, _unit: Option<Unit>, description: SharedString) {
        self.describe(&name, description);
    }
    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.with(key, |recorder| recorder.register_counter(key, metadata))
    }
    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.with(key, |recorder| recorder.register_gauge(key, metadata))
    }
    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.with(key, |recorder| recorder.register_histogram(key, metadata))
    }
}

fn recorder() -> PrometheusRecorder {
    let builder =
        runtime_metrics::BUCKETS.iter().fold(PrometheusBuilder::new(), |builder, (name, buckets)| {
            // Refuses only a metric without buckets.
            let matcher = Matcher::Full((*name).to_owned());
            builder.set_buckets_for_metric(matcher, buckets).unwrap_or_default()
        });
    builder.build_recorder()
}

fn version_of(key: &Key) -> Option<VersionKey> {
    let label = |name| key.labels().find(|label| label.key() == name).map(|label| label.value().to_owned());
    Some((label("model")?, label("version")?))
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use metrics::{counter, describe_counter, histogram};

    use super::*;

    #[test]
    fn a_versions_series_go_with_it_and_the_others_stay() {
        let all = ByVersion::new();
        metrics::with_local_recorder(&all, || {
            describe_counter!("things_total", "Things that happened");
            counter!("things_total").increment(1);
            for version in ["1", "2"] {
                counter!("things_total", "model" => "m", "version" => version).increment(2);
                histogram!(runtime_metrics::REQUEST_SECONDS, "model" => "m", "version" => version)
                    .record(0.3);
            }
        });
        let before = all.render();
        assert!(
            before.contains(
                "# HELP things_total Things that happened\n# TYPE things_total counter\nthings_total 1\n\
                 things_total{model=\"m\",version=\"1\"} 2\nthings_total{model=\"m\",version=\"2\"} 2\n"
            ),
            "{before}"
        );
        assert!(
            before.contains("_bucket{model=\"m\",version=\"1\",le=\"0.5\"} 1"),
            "with its buckets: {before}"
        );
        assert_eq!(all.versions().len(), 2);
        all.forget(&[("m".to_owned(), "1".to_owned())]);
        let after = all.render();
        assert!(!after.contains("version=\"1\""), "{after}");
        assert!(after.contains("things_total 1\nthings_total{model=\"m\",version=\"2\"} 2\n"), "{after}");
    }
}
