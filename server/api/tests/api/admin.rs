//! Administration: traffic read and set over its own listener, by nobody but programs on this machine.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Server};

const TRAFFIC: &str = "/admin/v1/models/identity/traffic";
const WEIGHTS: &str = "/admin/v1/models/identity/traffic/weights";

async fn put(server: &Server, if_match: &str, body: &Value) -> Answer {
    server.administer(Method::PUT, WEIGHTS, &[("if-match", if_match)], &body.to_string()).await
}

#[tokio::test]
async fn weights_are_set_by_who_read_what_applies() {
    let server = Server::start().await;
    let before = server.administer(Method::GET, TRAFFIC, &[], "").await;
    assert_eq!((before.status.as_u16(), before.header("etag")), (200, "\"none\""), "{}", before.text());
    assert_eq!(before.json()["split"], Value::Null);
    let weights = json!({ "weights": { "1": 3 } });
    let set = put(&server, "\"none\"", &weights).await;
    assert_eq!(set.status, 200, "{}", set.text());
    let (tag, set) = (set.header("etag").to_owned(), set.json());
    assert_eq!(set["arms"][0]["share"], 1.0);
    assert_eq!((&set["origin"], &set["applied"]), (&json!("repository"), &set["digest"]));
    assert_eq!(format!("\"{}\"", set["digest"].as_str().unwrap()), tag);
    let stale = put(&server, "\"none\"", &weights).await;
    assert_eq!(stale.status, 412, "{}", stale.text());
    assert_eq!(put(&server, &tag, &weights).await.status, 200);
    let applies = server.get("/v2/models/identity/traffic").await.json();
    assert_eq!(applies["split"]["arms"][0]["weight"], 3.0);
}

#[tokio::test]
async fn what_is_odd_is_refused_and_changes_nothing() {
    let server = Server::start().await;
    for (if_match, body, status, part) in [
        ("", json!({ "weights": { "1": 1 } }), 400, "If-Match"),
        ("*", json!({ "weights": { "nobody": 1 } }), 400, "'nobody' is no version"),
        ("*", json!({ "weights": { "1": -1 } }), 400, "a weight is 0 to"),
        ("*", json!({ "weights": {} }), 400, "at least one"),
        ("*", json!({ "weight": {} }), 400, "unknown field"),
        ("*", json!({ "weights": { "1": 1 }, "x": "x".repeat(100_000) }), 413, "larger than"),
    ] {
        let answer = put(&server, if_match, &body).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(answer.error().contains(part), "{}", answer.text());
    }
    let unknown = server.administer(Method::GET, "/admin/v1/models/nobody/traffic", &[], "").await;
    assert_eq!(unknown.status, 404);
    assert_eq!(server.administer(Method::GET, "/v2", &[], "").await.status, 404);
    assert_eq!(server.administer(Method::GET, TRAFFIC, &[], "").await.header("etag"), "\"none\"");
    assert_eq!(server.get(TRAFFIC).await.status, 404, "it has a listener of its own");
}

#[tokio::test]
async fn rollouts_take_commands_where_there_are_some() {
    let server = Server::start().await;
    let post = async |path: &str| {
        server.administer(Method::POST, &format!("/admin/v1/models/{path}"), &[], "").await
    };
    for (path, part) in [
        ("identity/rollout/promote", "model 'identity': it has no rollout"),
        ("nobody/rollout/abort", "unknown model 'nobody'"),
        ("identity/rollout/stop", "commands are start, pause, resume, promote, promote_full, abort"),
    ] {
        let answer = post(path).await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
        assert!(answer.error().contains(part), "{path}: {}", answer.text());
    }
    let read = server.administer(Method::GET, "/admin/v1/models/identity/rollout/abort", &[], "").await;
    assert_eq!((read.status.as_u16(), read.header("allow")), (405, "POST"), "{}", read.text());
    assert!(read.error().contains("Allow"));
}

#[tokio::test]
async fn web_pages_are_kept_out() {
    let server = Server::start().await;
    for headers in [("host", "evil.example"), ("origin", "http://evil.example")] {
        for path in [TRAFFIC, "/admin/v1/audit", "/nothing"] {
            let answer = server.administer(Method::GET, path, &[headers], "").await;
            assert_eq!(answer.status, 403, "{headers:?} {path}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn the_audit_log_is_read_as_it_is() {
    let server = Server::start().await;
    let read =
        async |query: &str| server.administer(Method::GET, &format!("/admin/v1/audit{query}"), &[], "").await;
    assert_eq!(read("").await.text(), r#"{"entries":[{"seq":1}]}"#);
    assert_eq!(read("?since=2026-01-02T03:04:05Z&model=m&limit=0").await.text(), r#"{"entries":[]}"#);
    for odd in ["?since=yesterday", "?limit=-1", "?x=1"] {
        assert_eq!(read(odd).await.status, 400, "{odd}");
    }
}
