//! `girandole traffic`: where a model's requests go on a running server, seen and changed.

mod rollout;
mod view;

use std::{collections::BTreeMap, process::ExitCode, thread, time::Duration};

use console::Term;
use girandole_runtime::rollout::Command;
use serde_json::{Value, json};

use self::view::Traffic;
use super::{Failure, Outcome, output::say};
use crate::{
    admin_client::AdminClient,
    cli::{TrafficCommand, TrafficOptions},
};

/// How often a live view is drawn.
const EVERY: Duration = Duration::from_secs(1);

pub(crate) fn run(options: &TrafficOptions) -> Outcome {
    let client = AdminClient::new(&options.server)?;
    let answer = match &options.command {
        TrafficCommand::Show { model, watch: true } => return watch(&client, model, options.json),
        TrafficCommand::Show { model, watch: false } => client.get(&traffic(model))?.json,
        TrafficCommand::Set { model, weights } => set(&client, model, weights)?,
        TrafficCommand::Start { model } => control(&client, model, Command::Start)?,
        TrafficCommand::Pause { model } => control(&client, model, Command::Pause)?,
        TrafficCommand::Resume { model } => control(&client, model, Command::Resume)?,
        TrafficCommand::Promote { model, full: false } => control(&client, model, Command::Promote)?,
        TrafficCommand::Promote { model, full: true } => control(&client, model, Command::PromoteFull)?,
        TrafficCommand::Abort { model } => control(&client, model, Command::Abort)?,
    };
    say!("{}", shown(&answer, options.json)?);
    Ok(ExitCode::SUCCESS)
}

/// Sets the weights of what is there now, and of nothing that somebody else puts there meanwhile.
fn set(client: &AdminClient, model: &str, weights: &[(String, f64)]) -> Result<Value, Failure> {
    let arms: BTreeMap<&str, f64> = weights.iter().map(|(arm, weight)| (arm.as_str(), *weight)).collect();
    if arms.len() < weights.len() {
        return Err(Failure::new("an arm is named twice"));
    }
    let tag = client.get(&traffic(model))?.tag;
    Ok(client.put(&format!("{}/weights", traffic(model)), &tag, &json!({ "weights": arms }))?.json)
}

fn control(client: &AdminClient, model: &str, command: Command) -> Result<Value, Failure> {
    Ok(client.post(&format!("/admin/v1/models/{model}/rollout/{}", command.as_str()))?.json)
}

fn traffic(model: &str) -> String {
    format!("/admin/v1/models/{model}/traffic")
}

/// In a terminal the view is drawn over the one before, elsewhere it is a line for each arm and the rollout.
fn watch(client: &AdminClient, model: &str, as_json: bool) -> Outcome {
    let terminal = Term::stdout();
    let drawn_over = terminal.is_term() && !as_json;
    let mut before = 0;
    loop {
        let answer = client.get(&traffic(model))?.json;
        let text = match drawn_over || as_json {
            true => shown(&answer, as_json)?,
            false => Traffic::read(&answer)?.lines(),
        };
        if drawn_over {
            terminal.clear_last_lines(before)?;
            before = text.lines().count();
        }
        say!("{text}");
        thread::sleep(EVERY);
    }
}

fn shown(answer: &Value, as_json: bool) -> Result<String, Failure> {
    match as_json {
        true => Ok(answer.to_string()),
        false => Ok(Traffic::read(answer)?.table()),
    }
}
