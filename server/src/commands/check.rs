//! `girandole check`: what of a repository would load, and why the rest would not.

use std::{process::ExitCode, sync::Arc, time::Duration};

use girandole_engine::Engine;
use girandole_runtime::{
    config::{Completion, Devices},
    lifecycle::{CheckOptions as Against, CheckReport, check},
    repository::Trust,
};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::{Failure, Outcome, output::say};
use crate::cli::CheckOptions;

pub(crate) fn run(options: &CheckOptions) -> Outcome {
    let against = Against {
        completion: Completion { strict: options.strict_model_config, ..Completion::default() },
        devices: Devices { gpus: girandole_engine::device::gpus().unwrap_or(0) },
        trust: Trust {
            require_digests: options.require_sha256sums,
            trusted_keys: options.trusted_keys.clone(),
            model_keys: options.keys().map_err(Failure::new)?,
        },
    };
    against.trust.check()?;
    let reports = {
        // Drawn only where a person is watching.
        let progress = ProgressBar::new_spinner().with_message("loading the models");
        progress.enable_steady_tick(Duration::from_millis(100));
        let reports = check(&options.repository, Arc::new(Engine), &against);
        progress.finish_and_clear();
        reports?
    };
    if options.json {
        say!("{}", Value::from_iter(reports.iter().map(as_json)));
    } else {
        reports.iter().for_each(print_line);
    }
    let failed = reports.iter().any(|report| report.outcome.is_err());
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn as_json(report: &CheckReport) -> Value {
    json!({
        "model": report.model,
        "version": report.version,
        "ok": report.outcome.is_ok(),
        "reason": report.outcome.as_ref().err().map(ToString::to_string),
    })
}

fn print_line(report: &CheckReport) {
    let version = report.version.map_or_else(|| "-".to_owned(), |version| version.to_string());
    match &report.outcome {
        Ok(checked) => {
            let (inputs, outputs) = (checked.spec.inputs.len(), checked.spec.outputs.len());
            let rows = checked.spec.max_batch_size;
            say!("ok      {} {version}: {inputs} inputs, {outputs} outputs, batches of {rows}", report.model);
        }
        Err(error) => say!("FAILED  {} {version}: {error}", report.model),
    }
}
