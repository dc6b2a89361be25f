//! The log's settings, seen and changed while the server runs.

use axum::{body::Body, extract::State};
use http::HeaderMap;

use super::{Answer, body};
use crate::oip::{Oip, json, settings};

/// The settings in force.
pub(super) async fn get(State(oip): State<Oip>) -> Answer {
    answer(&oip)
}

/// Changes the settings given, all or none.
pub(super) async fn update(State(oip): State<Oip>, headers: HeaderMap, body: Body) -> Answer {
    let body = body::read(&headers, body, oip.limits.max_settings_bytes()).await?;
    let asked: json::JsonParameters = json::body(&body)?;
    let mut changed = oip.log.settings();
    for (key, value) in &asked.0 {
        changed = settings::log_changed(changed, key, value)?;
    }
    oip.log.update(changed)?;
    answer(&oip)
}

fn answer(oip: &Oip) -> Answer {
    let entries = settings::log_entries(&oip.log.settings());
    let parameters = entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    super::json(&json::JsonParameters(parameters))
}
