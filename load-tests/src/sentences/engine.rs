//! The engine alone, by the server's own `bench`: what of its speed comes through.

use std::process::Command;

use serde_json::Value;

use super::Encoder;
use crate::{
    Options, Result,
    measure::{Measurement, ms},
};

/// Milliseconds that a single client may wait longer than the engine takes.
const LONGER: f64 = 0.15;
/// The part of the engine's rows a second that is to come through.
const THROUGH: f64 = 0.92;

/// What the engine gives at a batch size.
struct Alone {
    p50_ms: f64,
    items_per_s: f64,
}

/// Prints a line for a single client, where there was one, and one for the most.
pub(super) fn run(options: &Options, encoder: &Encoder, served: &[(usize, Measurement)]) -> Result {
    if let Some((_, single)) = served.iter().find(|(clients, _)| *clients == 1) {
        let alone = alone(options, encoder, 1)?;
        let longer = ms(single.p50) - alone.p50_ms;
        println!(
            "A single client waits {longer:.3} ms longer than the engine takes, which is {:.3} ms (aim: {LONGER}).",
            alone.p50_ms
        );
    }
    let most = served.iter().map(|(_, found)| found.requests_per_s).fold(0.0, f64::max);
    let alone = alone(options, encoder, encoder.batch)?;
    println!(
        "Of the engine's {:.0} sentences/s at batch {}, {:.2} come through (aim: {THROUGH}).",
        alone.items_per_s,
        encoder.batch,
        most / alone.items_per_s
    );
    Ok(())
}

fn alone(options: &Options, encoder: &Encoder, batch: usize) -> Result<Alone> {
    let mut bench = Command::new(&options.girandole);
    bench.arg("bench").arg(&encoder.model).args(["--json", "--device", encoder.device()]);
    bench.args(["--batch", &batch.to_string(), "--seconds", &options.seconds.to_string()]);
    bench.args(["--dim", &format!("{}={}", encoder.dimension, encoder.tokens)]);
    if encoder.gpu {
        bench.args(["--precision", &encoder.precision]);
    }
    let ended = bench.output()?;
    let said: Value = serde_json::from_slice(&ended.stdout)
        .map_err(|_| format!("girandole bench: {}", String::from_utf8_lossy(&ended.stderr).trim()))?;
    let figure = |key: &str| said[key].as_f64().ok_or_else(|| format!("girandole bench: no {key}"));
    Ok(Alone { p50_ms: figure("p50_ms")?, items_per_s: figure("items_per_s")? })
}
