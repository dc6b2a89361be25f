//! The list of operators in the documentation is the engine's table. `GIRANDOLE_REGENERATE=1` writes it anew.

use std::{collections::BTreeMap, fmt::Write, path::Path};

use girandole_engine::ops::{Domain, functions, table};

const HEAD: &str = "\
# Operators

What the engine runs, generated from its own table. The number is the oldest version of the operator set that
the engine reads the operator by; it reads it by every newer one up to the domain's newest, too.
A model that needs another operator is refused when it loads, with a message that names the node.
";

/// What a reader must know of an operator beyond ONNX's own text.
fn note(name: &str) -> &'static str {
    match name {
        "Loop" | "Scan" => "at most 10,000,000 iterations",
        "ZipMap" => "an output of maps is served as keys and values: [Maps](onnx-ml.md#maps-zipmap)",
        _ => "",
    }
}

fn document() -> String {
    let mut text = HEAD.to_owned();
    for domain in [Domain::Onnx, Domain::Ml, Domain::Microsoft] {
        let operators = table().map(|def| (def.domain, def.name, def.since));
        let functions = functions().map(|def| (def.domain, def.name, 1));
        let defs: BTreeMap<&str, u32> = operators
            .chain(functions)
            .filter(|(of, ..)| *of == domain)
            .map(|(_, name, since)| (name, since))
            .collect();
        if defs.is_empty() {
            continue;
        }
        let (name, newest, count) = (domain.name(), domain.newest(), defs.len());
        writeln!(text, "\n## `{name}`, up to {newest}\n\n{count} operators.\n").unwrap();
        writeln!(text, "| operator | since | note |\n|---|---|---|").unwrap();
        for (name, since) in defs {
            writeln!(text, "| {name} | {since} | {} |", note(name)).unwrap();
        }
    }
    text
}

#[test]
fn the_documented_operators_are_the_tables() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/onnx-ops.md");
    if std::env::var_os("GIRANDOLE_REGENERATE").is_some() {
        std::fs::write(&path, document()).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == document(), "docs/onnx-ops.md is stale; run this test with GIRANDOLE_REGENERATE=1");
}

#[test]
fn an_operator_stands_once_in_the_table() {
    let mut seen = std::collections::HashSet::new();
    for def in table() {
        assert!(seen.insert((def.domain, def.name)), "{} stands twice", def.name);
        assert!((1..=def.domain.newest()).contains(&def.since), "{} since {}", def.name, def.since);
    }
    for def in functions() {
        assert!(seen.insert((def.domain, def.name)), "{} stands twice", def.name);
    }
}
