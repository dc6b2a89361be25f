//! Trace settings, of the server or of one model: shown and changed, all or none.

use girandole_core::Result;
use girandole_proto::oip::{TraceSettingRequest, TraceSettingResponse, trace_setting_response::SettingValue};
use girandole_runtime::trace::TraceChanges;

use crate::oip::{Oip, convert};

/// Changes the settings given, if any, and answers those in force.
pub(super) fn setting(oip: &Oip, message: TraceSettingRequest) -> Result<TraceSettingResponse> {
    let model = match message.model_name.as_str() {
        "" => None,
        name => Some(convert::model_name(name)?),
    };
    let settings = if message.settings.is_empty() {
        oip.service.trace_settings(model)?
    } else {
        let change = |(key, setting): (String, girandole_proto::oip::trace_setting_request::SettingValue)| {
            (key, Some(setting.value).filter(|values| !values.is_empty()))
        };
        let changes: TraceChanges = message.settings.into_iter().map(change).collect();
        oip.service.update_trace_settings(model, &changes)?
    };
    let settings = settings.into_iter().map(|(key, value)| (key, SettingValue { value })).collect();
    Ok(TraceSettingResponse { settings })
}
