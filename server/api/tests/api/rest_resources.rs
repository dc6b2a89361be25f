//! REST: the repository, statistics, the configuration, trace and log settings.

use serde_json::json;

use crate::harness::Server;

const BODY: &str = r#"{"inputs":[{"name":"x","datatype":"FP32","shape":[2,1],"data":[1,2]}]}"#;

#[tokio::test]
async fn the_index_lists_models_with_state_and_reason() {
    let server = Server::start().await;
    let index = server.post("/v2/repository/index", "").await.json();
    let entry = |name: &str| {
        let entries = index.as_array().unwrap();
        entries.iter().find(|entry| entry["name"] == name).unwrap_or_else(|| panic!("{name} in {index}"))
    };
    assert_eq!(entry("identity")["state"], "READY");
    assert_eq!(entry("identity")["version"], "1");
    assert_eq!(entry("broken")["state"], "UNAVAILABLE");
    assert!(entry("broken")["reason"].as_str().unwrap().contains("Frobnicate"));
    let ready = server.post("/v2/repository/index", r#"{"ready":true}"#).await.json();
    assert!(ready.as_array().unwrap().iter().all(|entry| entry["state"] == "READY"));
    assert_eq!(server.post("/v2/repository/mine/index", "").await.status, 501);
}

#[tokio::test]
async fn models_are_unloaded_and_loaded() {
    let server = Server::start().await;
    assert_eq!(server.post("/v2/repository/models/identity/unload", "{}").await.status, 200);
    let gone = server.post("/v2/models/identity/infer", BODY).await;
    assert!(matches!(gone.status.as_u16(), 404 | 503), "{}", gone.error());
    assert_eq!(server.post("/v2/repository/models/identity/load", "").await.status, 200);
    assert_eq!(server.post("/v2/models/identity/infer", BODY).await.status, 200);
    assert_eq!(server.post("/v2/repository/models/nobody/load", "").await.status, 404);
    let refused = server
        .post(
            "/v2/repository/models/identity/load",
            r#"{"parameters":{"config":"{}","file:1/model.onnx":"AA"}}"#,
        )
        .await;
    assert_eq!(refused.status, 400);
    assert!(refused.error().contains("files cannot be replaced"));
    assert_eq!(server.post("/v2/repository/mine/models/identity/load", "").await.status, 501);
}

#[tokio::test]
async fn a_load_can_bring_its_own_configuration() {
    let server = Server::start().await;
    let config = json!({ "parameters": { "config": r#"{"max_batch_size":3}"# } }).to_string();
    let answer = server.post("/v2/repository/models/identity/load", config).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(server.get("/v2/models/identity/config").await.json()["max_batch_size"], 3);
}

#[tokio::test]
async fn statistics_count_rows_and_executions() {
    let server = Server::start().await;
    assert_eq!(server.post("/v2/models/identity/infer", BODY).await.status, 200);
    for path in ["/v2/models/identity/stats", "/v2/models/identity/versions/1/stats"] {
        let statistics = &server.get(path).await.json()["model_stats"][0];
        assert_eq!((&statistics["name"], &statistics["version"]), (&json!("identity"), &json!("1")));
        assert_eq!((&statistics["inference_count"], &statistics["execution_count"]), (&json!(2), &json!(1)));
        assert_eq!(statistics["inference_stats"]["success"]["count"], 1);
        assert_eq!(statistics["batch_stats"][0]["batch_size"], 2);
    }
    let all = server.get("/v2/models/stats").await.json();
    assert!(all["model_stats"].as_array().unwrap().len() >= 4);
    assert_eq!(server.get("/v2/models/nobody/stats").await.status, 404);
}

#[tokio::test]
async fn the_configuration_is_complete() {
    let server = Server::start().await;
    let config = server.get("/v2/models/identity/config").await.json();
    assert_eq!((&config["name"], &config["max_batch_size"]), (&json!("identity"), &json!(8)));
    assert_eq!(config["input"][0]["dims"], json!([-1]));
    assert_eq!(config["input"][0]["data_type"], "TYPE_FP32");
}

#[tokio::test]
async fn log_settings_change_all_or_none() {
    let server = Server::start().await;
    let settings = server.get("/v2/logging").await.json();
    assert_eq!(settings["log_verbose_level"], 0);
    let changed = server.post("/v2/logging", r#"{"log_verbose_level":1,"log_info":false}"#).await.json();
    assert_eq!((&changed["log_verbose_level"], &changed["log_info"]), (&json!(1), &json!(false)));
    let wrong = server.post("/v2/logging", r#"{"log_info":true,"log_level":1}"#).await;
    assert_eq!((wrong.status.as_u16(), wrong.error()), (400, "unknown log setting 'log_level'".to_owned()));
    assert_eq!(server.get("/v2/logging").await.json(), changed);
}

#[tokio::test]
async fn trace_settings_are_shown_and_bad_ones_refused() {
    let server = Server::start().await;
    let settings = server.get("/v2/trace/setting").await.json();
    assert_eq!((&settings["trace_level"], &settings["trace_rate"]), (&json!(["OFF"]), &json!("1000")));
    let changed = server.post("/v2/models/identity/trace/setting", r#"{"trace_rate":"7"}"#).await;
    assert_eq!(changed.json()["trace_rate"], "7");
    assert_eq!(server.get("/v2/models/identity/trace/setting").await.json()["trace_rate"], "7");
    assert_eq!(server.get("/v2/trace/setting").await.json()["trace_rate"], "1000");
    let cleared = server.post("/v2/models/identity/trace/setting", r#"{"trace_rate":null}"#).await;
    assert_eq!(cleared.json()["trace_rate"], "1000");
    assert_eq!(server.post("/v2/trace/setting", r#"{"trace_rate":"0"}"#).await.status, 400);
    assert_eq!(server.get("/v2/models/nobody/trace/setting").await.status, 404);
}
