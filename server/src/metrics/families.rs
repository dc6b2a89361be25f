//! Several of the exporter's texts as one: the series of a metric must stand together, below one line that says what
//! it is (Prometheus' text format, version 0.0.4).

use std::{
    collections::{BTreeMap, HashMap},
    hash::BuildHasher,
};

use metrics::SharedString;
use metrics_exporter_prometheus::formatting::write_help_line;

/// A line that says what kind of metric a name is.
const TYPE: &str = "# TYPE ";

/// One metric: its kind, and its series as they were written.
#[derive(Default)]
struct Family<'a> {
    kind: &'a str,
    series: Vec<&'a str>,
}

/// All metrics by name, with their descriptions.
pub(super) fn merge<S: BuildHasher>(
    texts: &[String],
    descriptions: &HashMap<String, SharedString, S>,
) -> String {
    let mut families: BTreeMap<&str, Family<'_>> = BTreeMap::new();
    for text in texts {
        // What is before the first such line belongs to no metric.
        let mut name = None;
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some((of, kind)) = line.strip_prefix(TYPE).and_then(|rest| rest.split_once(' ')) {
                name = Some(of);
                families.entry(of).or_default().kind = kind;
            } else if let Some(family) = name.and_then(|name| families.get_mut(name)) {
                family.series.push(line);
            }
        }
    }
    let mut whole = String::with_capacity(texts.iter().map(String::len).sum());
    for (name, family) in families {
        if let Some(description) = descriptions.get(name) {
            write_help_line(&mut whole, name, None, None, description);
        }
        let lines = [TYPE, name, " ", family.kind, "\n"].into_iter();
        lines
            .chain(family.series.into_iter().flat_map(|line| [line, "\n"]))
            .for_each(|part| whole.push_str(part));
        whole.push('\n');
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_of_one_metric_stand_together() {
        let texts = [
            "# TYPE b counter\nb 1\n\n# TYPE a gauge\na{x=\"# TYPE b\"} 2\n\n".to_owned(),
            String::new(),
            "# TYPE b counter\nb{v=\"1\"} 3\nb{v=\"2\"} 4\n\n".to_owned(),
        ];
        let descriptions = HashMap::from([("b".to_owned(), SharedString::from("What b is"))]);
        assert_eq!(
            merge(&texts, &descriptions),
            "# TYPE a gauge\na{x=\"# TYPE b\"} 2\n\n# HELP b What b is\n# TYPE b counter\nb 1\nb{v=\"1\"} 3\nb{v=\"2\"} 4\n\n"
        );
    }
}
