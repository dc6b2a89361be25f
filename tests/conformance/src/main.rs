//! `girandole-conformance [FILTER]`: runs the cases whose names contain FILTER and prints what failed.
//! `--write` prints the list of failures in the form of `expected-failures.txt`.

use std::process::ExitCode;

use girandole_conformance::{case, case_names, cases_folder};

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|_| {}));
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let filter = arguments.iter().find(|argument| !argument.starts_with("--"));
    let Some(folder) = cases_folder() else {
        eprintln!("no cases: install onnx into .venv (tests/run does), or set GIRANDOLE_ONNX_CASES");
        return ExitCode::FAILURE;
    };
    let names = case_names(&folder).unwrap_or_default();
    let (mut passed, mut failed) = (0, 0);
    for name in names.iter().filter(|name| filter.is_none_or(|filter| name.contains(filter.as_str()))) {
        match case::run(&folder.join(name)) {
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
    if !arguments.iter().any(|argument| argument == "--write") {
        println!("{passed} passed, {failed} failed");
    }
    ExitCode::SUCCESS
}
