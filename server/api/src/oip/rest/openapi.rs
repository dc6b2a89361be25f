//! The OpenAPI document of these routes, kept by hand beside this file.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderValue, header};

const DOCUMENT: &str = include_str!("openapi.json");

/// The document.
pub(super) async fn document() -> Response {
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (headers, Body::from(Bytes::from_static(DOCUMENT.as_bytes()))).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    /// Paths and verbs that the router's source registers.
    fn served() -> BTreeSet<(String, String)> {
        let source = include_str!("mod.rs");
        let lines = source.lines().filter_map(|line| line.trim().strip_prefix("(\""));
        let mut served = BTreeSet::new();
        for line in lines {
            let (path, methods) = line.split_once("\", ").unwrap();
            let get = methods.starts_with("get(");
            let post = methods.starts_with("infer") || methods.contains("post(");
            served.extend(get.then(|| (path.to_owned(), "get".to_owned())));
            served.extend(post.then(|| (path.to_owned(), "post".to_owned())));
        }
        served
    }

    #[test]
    fn every_route_is_documented_and_every_document_entry_is_a_route() {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        let mut documented = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (verb, operation) in
                methods.as_object().unwrap().iter().filter(|(verb, _)| *verb != "parameters")
            {
                assert!(operation["responses"].is_object(), "{path} {verb} has responses");
                documented.insert((path.clone(), verb.clone()));
            }
        }
        assert_eq!(served(), documented);
    }

    /// Whether a path is one of those that are open to everybody.
    fn is_probe(path: &str) -> bool {
        let row = format!("(\"{path}\", ");
        let found = include_str!("mod.rs").lines().find(|line| line.trim().starts_with(&row));
        found.is_some_and(|line| line.ends_with(", probe),"))
    }

    #[test]
    fn every_operation_says_that_the_policy_may_refuse_it() {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        for (path, verb) in served() {
            let refusals = |code: &str| !document["paths"][&path][&verb]["responses"][code].is_null();
            assert!(refusals("401"), "{path} {verb}: a wrong credential is refused everywhere");
            assert_eq!(refusals("403"), !is_probe(&path), "{path} {verb}");
        }
        assert!(is_probe("/livez") && !is_probe("/v2"));
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        let mut stack = vec![&document];
        while let Some(value) = stack.pop() {
            if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{reference}");
            }
            match value {
                Value::Object(map) => stack.extend(map.values()),
                Value::Array(items) => stack.extend(items),
                _ => {}
            }
        }
    }
}
