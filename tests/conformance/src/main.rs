//! `girandole-conformance [--suite NAME] [FILTER]`: runs the cases whose names contain FILTER, of one suite or of
//! all, and prints what failed. `--on` says where: `cpu`, `gpu-passes` (the passes for a GPU, computed on the
//! host), `cuda`, `cuda-graph`. `--write` prints the list of failures in the form of `expected-failures.txt`,
//! of the node tests unless a suite is named.

use std::{path::Path, process::ExitCode};

use girandole_conformance::{cases_folder, expected, place::Place, suite::Suite};

struct Arguments {
    suites: Vec<Suite>,
    filter: String,
    write: bool,
    place: Place,
}

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|_| {}));
    let Some(arguments) = arguments() else {
        let names = Suite::ALL.map(Suite::name).join(", ");
        eprintln!(
            "usage: girandole-conformance [--suite NAME] [--on PLACE] [--write] [FILTER]; suites: {names}; places: cpu, \
             gpu-passes, cuda, cuda-graph"
        );
        return ExitCode::FAILURE;
    };
    let Some(folder) = cases_folder() else {
        eprintln!("no cases: install onnx into .venv (tests/run does), or set GIRANDOLE_ONNX_CASES");
        return ExitCode::FAILURE;
    };
    let surprises: usize = arguments.suites.iter().map(|&suite| run(suite, &folder, &arguments)).sum();
    if surprises == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn arguments() -> Option<Arguments> {
    let (mut suite, mut filter, mut write, mut place) = (None, String::new(), false, Place::Cpu);
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--suite" => suite = Some(Suite::parse(&given.next()?)?),
            "--on" => place = Place::parse(&given.next()?)?,
            "--write" => write = true,
            _ => filter = argument,
        }
    }
    let suites = match suite {
        Some(suite) => vec![suite],
        None if write => vec![Suite::Node],
        None => Suite::ALL.to_vec(),
    };
    Some(Arguments { suites, filter, write, place })
}

/// How many cases fail that are not on the suite's list.
fn run(suite: Suite, folder: &Path, arguments: &Arguments) -> usize {
    let listed = expected::parse(suite.expected()).unwrap_or_default();
    let mut surprises = 0;
    let names = suite.cases(folder).unwrap_or_default();
    let (mut passed, mut failed) = (0, 0);
    for name in names.iter().filter(|name| name.contains(&arguments.filter)) {
        let outcome = suite.run(folder, name, arguments.place);
        let known = listed.get(name).filter(|listed| listed.allows(&outcome));
        let Err(failure) = outcome else {
            passed += 1;
            continue;
        };
        failed += 1;
        surprises += usize::from(known.is_none());
        let kind = known.map_or(failure.kind(), |listed| &listed.kind);
        println!("{name} {kind} {}", failure.message().lines().next().unwrap_or_default());
    }
    if !arguments.write {
        println!("{suite}: {passed} passed, {failed} failed, {surprises} of them not on the list");
    }
    surprises
}
