//! `girandole-conformance [--suite NAME] [FILTER]`: runs the cases whose names contain FILTER, of one suite or of
//! all, and prints what failed. `--write` prints the list of failures in the form of `expected-failures.txt`,
//! of the node tests unless a suite is named.

use std::{path::Path, process::ExitCode};

use girandole_conformance::{cases_folder, suite::Suite};

struct Arguments {
    suites: Vec<Suite>,
    filter: String,
    write: bool,
}

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|_| {}));
    let Some(arguments) = arguments() else {
        let names = Suite::ALL.map(Suite::name).join(", ");
        eprintln!("usage: girandole-conformance [--suite NAME] [--write] [FILTER]; suites: {names}");
        return ExitCode::FAILURE;
    };
    let Some(folder) = cases_folder() else {
        eprintln!("no cases: install onnx into .venv (tests/run does), or set GIRANDOLE_ONNX_CASES");
        return ExitCode::FAILURE;
    };
    for &suite in &arguments.suites {
        run(suite, &folder, &arguments);
    }
    ExitCode::SUCCESS
}

fn arguments() -> Option<Arguments> {
    let (mut suite, mut filter, mut write) = (None, String::new(), false);
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--suite" => suite = Some(Suite::parse(&given.next()?)?),
            "--write" => write = true,
            _ => filter = argument,
        }
    }
    let suites = match suite {
        Some(suite) => vec![suite],
        None if write => vec![Suite::Node],
        None => Suite::ALL.to_vec(),
    };
    Some(Arguments { suites, filter, write })
}

fn run(suite: Suite, folder: &Path, arguments: &Arguments) {
    let names = suite.cases(folder).unwrap_or_default();
    let (mut passed, mut failed) = (0, 0);
    for name in names.iter().filter(|name| name.contains(&arguments.filter)) {
        match suite.run(folder, name) {
            Ok(()) => passed += 1,
            Err(failure) => {
                failed += 1;
                println!(
                    "{name} {} {}",
                    failure.kind(),
                    failure.message().lines().next().unwrap_or_default()
                );
            }
        }
    }
    if !arguments.write {
        println!("{suite}: {passed} passed, {failed} failed");
    }
}
