//! Between a call's headers and the traffic: what routing may look at, and which way a request went.

use girandole_core::{Headers, Parameter, Parameters, Route};
use http::{HeaderMap, HeaderName, HeaderValue};

/// The label or version that the model's traffic gave the request to.
const ARM: &str = "girandole-arm";
/// Who chose the version: `newest`, `version`, `label`, `rule`, `sticky`, `split` or `fallback`.
const ROUTE: &str = "girandole-route";

/// The headers of an HTTP request, or the metadata of a gRPC call, which are the same thing.
pub(crate) struct CallHeaders(pub(crate) HeaderMap);

impl Headers for CallHeaders {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.to_str().ok()
    }
}

impl std::fmt::Debug for CallHeaders {
    /// Without values: some are secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Writes the way of a request into its answer's headers.
pub(crate) fn write(route: &Route, headers: &mut HeaderMap) {
    headers.insert(HeaderName::from_static(ROUTE), HeaderValue::from_static(route.reason.as_str()));
    // An arm is a label or a number, so it is always a header's value.
    if let Some(arm) = route.arm.as_ref().and_then(|arm| HeaderValue::from_str(arm).ok()) {
        headers.insert(HeaderName::from_static(ARM), arm);
    }
}

/// The same as parameters, for the answers of a stream, which have no headers each.
pub(crate) fn parameters(route: &Route, parameters: &mut Parameters) {
    let text = |text: &str| Parameter::String(text.to_owned());
    parameters.insert(ROUTE.to_owned(), text(route.reason.as_str()));
    parameters.extend(route.arm.as_ref().map(|arm| (ARM.to_owned(), text(arm))));
}

#[cfg(test)]
mod tests {
    use girandole_core::RouteReason;

    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        let headers =
            HeaderMap::from_iter([(http::header::AUTHORIZATION, HeaderValue::from_static("secret"))]);
        assert_eq!(format!("{:?}", CallHeaders(headers)), "{\"authorization\"}");
    }

    #[test]
    fn an_answer_says_which_way_its_request_went() {
        let mut headers = HeaderMap::new();
        write(&Route { arm: Some("canary".into()), reason: RouteReason::Sticky }, &mut headers);
        assert_eq!(
            (&headers[ARM], &headers[ROUTE]),
            (&HeaderValue::from_static("canary"), &HeaderValue::from_static("sticky"))
        );
        let mut headers = HeaderMap::new();
        write(&Route::default(), &mut headers);
        assert!(!headers.contains_key(ARM));
    }
}
