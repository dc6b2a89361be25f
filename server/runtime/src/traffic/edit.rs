//! Changes a traffic file's text and leaves everything else in it as it was: comments, order, layout. Pure.

use std::collections::{BTreeMap, BTreeSet};

use girandole_core::{Error, Result};
use toml_edit::{DocumentMut, InlineTable, Item, Table, TableLike, Value};

/// The text with these arms as its split's, and no others. A weight that stays keeps its line.
///
/// # Errors
/// `InvalidArgument` where the text is no TOML, or its split is something else than a table.
pub(super) fn with_weights(text: &str, weights: &BTreeMap<String, f64>) -> Result<String> {
    let mut document: DocumentMut =
        text.parse().map_err(|error| Error::invalid(format!("traffic.toml: {error}")))?;
    let no_table = |key: &str| Error::invalid(format!("traffic.toml: '{key}' must be a table"));
    let split = document.entry("split").or_insert_with(|| Item::Table(Table::new()));
    let split = split.as_table_like_mut().ok_or_else(|| no_table("split"))?;
    let arms = split.entry("weights").or_insert_with(|| Item::Value(InlineTable::new().into()));
    let other_arms = set(arms.as_table_like_mut().ok_or_else(|| no_table("split.weights"))?, weights);
    // The spaces in it belonged to the arms that were there.
    if let Some(inline) = arms.as_inline_table_mut().filter(|_| other_arms) {
        inline.fmt();
    }
    Ok(document.to_string())
}

/// True where these are other arms than before.
fn set(arms: &mut dyn TableLike, weights: &BTreeMap<String, f64>) -> bool {
    let other_arms =
        !arms.iter().map(|(name, _)| name).collect::<BTreeSet<_>>().into_iter().eq(weights.keys());
    let gone = arms.iter().map(|(name, _)| name.to_owned()).filter(|name| !weights.contains_key(name));
    for name in gone.collect::<Vec<_>>() {
        arms.remove(&name);
    }
    for (name, &weight) in weights {
        match arms.get_mut(name).and_then(Item::as_value_mut) {
            Some(old) if number(old) == Some(weight) => {}
            Some(old) => {
                let decor = old.decor().clone();
                *old = value(weight);
                *old.decor_mut() = decor;
            }
            None => drop(arms.insert(name, Item::Value(value(weight)))),
        }
    }
    other_arms
}

fn number(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64))
}

/// A whole weight is written as one.
fn value(weight: f64) -> Value {
    let whole = weight.fract() == 0.0 && weight.abs() < 1e15;
    if whole { (weight as i64).into() } else { weight.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(text: &str, weights: &[(&str, f64)]) -> String {
        let weights = weights.iter().map(|&(name, weight)| (name.to_owned(), weight)).collect();
        with_weights(text, &weights).unwrap()
    }

    #[test]
    fn everything_but_the_weights_stays() {
        let text = "# ours\n[labels]\nstable = 1 # last week's\ncanary = 2\n\n[split] # here\nsalt = 'x'\n\
                    weights = { stable = 95, canary = 5.0 } # careful\n";
        let expected = text.replace("stable = 95, canary = 5.0", "stable = 90, canary = 10");
        assert_eq!(edited(text, &[("stable", 90.0), ("canary", 10.0)]), expected);
        assert_eq!(edited(text, &[("stable", 95.0), ("canary", 5.0)]), text);
        let expected = text.replace("{ stable = 95, canary = 5.0 }", "{ stable = 99.5 }");
        assert_eq!(edited(text, &[("stable", 99.5)]), expected);
    }

    #[test]
    fn tables_of_every_form_are_changed_in_place() {
        let table = "[split.weights]\n# the old one\nstable = 95\ncanary = 5 # new\n";
        let expected = "[split.weights]\n# the old one\nstable = 50\ncanary = 50 # new\n";
        assert_eq!(edited(table, &[("stable", 50.0), ("canary", 50.0)]), expected);
        let dotted = "split.weights.stable = 1\n";
        assert_eq!(edited(dotted, &[("stable", 2.0)]), "split.weights.stable = 2\n");
    }

    #[test]
    fn a_file_without_a_split_gets_one() {
        assert_eq!(edited("", &[("1", 9.0), ("2", 1.0)]), "[split]\nweights = { 1 = 9, 2 = 1 }\n");
        assert_eq!(
            edited("[labels]\na = 1\n", &[("a", 1.0)]),
            "[labels]\na = 1\n\n[split]\nweights = { a = 1 }\n"
        );
    }

    #[test]
    fn what_is_no_table_is_refused() {
        for text in ["split = 1", "[split]\nweights = 3", "[split"] {
            assert!(with_weights(text, &BTreeMap::new()).is_err(), "{text}");
        }
    }
}
