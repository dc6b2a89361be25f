use super::*;
use crate::config::AdminAddress;

/// A machine without GPUs.
fn resolved(options: ServeOptions) -> Result<ServeConfig, String> {
    let file = read_file(&options)?;
    resolve(options, &file, Machine { cores: 2, gpus: Ok(0) })
}

fn options(model_repository: &str) -> ServeOptions {
    ServeOptions { model_repository: vec![model_repository.into()], ..ServeOptions::default() }
}

#[test]
fn defaults_are_tritons_ports_on_the_loopback() {
    let config = resolved(options("models")).unwrap();
    let Addresses { http, grpc, metrics, admin } = config.addresses;
    let listeners = [http, grpc, metrics, admin.unwrap()];
    assert_eq!(listeners.map(|address| address.port()), [8000, 8001, 8002, 8003]);
    assert!(listeners.iter().all(|address| address.ip().is_loopback()));
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let mistakes = resolved(ServeOptions {
        http_address: Some([0, 0, 0, 0].into()),
        tls_key: Some("key.pem".into()),
        grpc_port: Some(8002),
        repository_poll_secs: Some(0),
        load_model: vec!["x".into()],
        log_level: Some("=".into()),
        exit_timeout_secs: Some(3),
        shutdown_grace_secs: Some(3),
        ..ServeOptions::default()
    })
    .unwrap_err();
    for part in [
        "no repository",
        "--load-model needs",
        "--repository-poll-secs must be",
        "--tls-key needs",
        "--shutdown-grace-secs must be less",
        "no log level",
        "gRPC and metrics cannot both listen on 127.0.0.1:8002",
        "--http-address: 0.0.0.0 can be reached",
    ] {
        assert!(mistakes.contains(part), "{part} is not in:\n{mistakes}");
    }
}

#[test]
fn the_grace_leaves_time_for_what_was_taken() {
    let secs = Duration::from_secs_f64;
    for (timeout, grace, expected) in [
        (None, None, (30.0, 1.0)),
        (Some(1), None, (1.0, 0.5)),
        (Some(0), Some(0), (0.0, 0.0)),
        (Some(9), Some(8), (9.0, 8.0)),
    ] {
        assert_eq!(stopping(timeout, grace), Ok((secs(expected.0), secs(expected.1))));
    }
}

#[test]
fn a_public_address_needs_tls_or_insecure() {
    let public = ServeOptions { http_address: Some([0, 0, 0, 0].into()), ..options("models") };
    assert!(resolved(public.clone()).is_err());
    assert!(resolved(ServeOptions { insecure: Some(true), ..public.clone() }).is_ok());
    let tls = ServeOptions { tls_cert: Some("c".into()), tls_key: Some("k".into()), ..public };
    assert!(resolved(tls).is_ok());
}

#[test]
fn administration_is_on_this_machine_elsewhere_with_tokens_or_off() {
    let at = |text: &str, file: Option<&str>| ServeOptions {
        admin_address: Some(text.parse().unwrap()),
        admin_token_file: file.map(Into::into),
        insecure: Some(true),
        ..options("models")
    };
    assert_eq!(resolved(at("off", None)).unwrap().addresses.admin, None);
    let mistake = resolved(at("0.0.0.0", None)).unwrap_err();
    assert!(
        mistake.contains("--admin-address: 0.0.0.0 can be reached") && mistake.contains("token"),
        "{mistake}"
    );
    assert!(resolved(at("0.0.0.0", Some("tokens"))).is_ok());
    assert!("of".parse::<AdminAddress>().is_err());
}

#[test]
fn a_state_directory_holds_the_audit_log_unless_it_is_elsewhere() {
    assert_eq!(resolved(options("models")).unwrap().audit_log, None);
    let state = ServeOptions { state_dir: Some("state".into()), ..options("models") };
    assert_eq!(resolved(state.clone()).unwrap().audit_log, Some("state/audit.jsonl".into()));
    let elsewhere = ServeOptions { audit_log: Some("a.jsonl".into()), ..state };
    assert_eq!(resolved(elsewhere).unwrap().audit_log, Some("a.jsonl".into()));
}

#[test]
fn a_gpu_can_be_asked_for() {
    let asked = || ServeOptions { require_gpu: Some(true), ..options("models") };
    let on = |gpus| resolve(asked(), "", Machine { cores: 2, gpus }).map(|config| config.gpus);
    assert_eq!(on(Ok(1)), Ok(Ok(1)));
    assert!(on(Ok(0)).unwrap_err().contains("this machine has none"));
    assert!(on(Err("no driver".into())).unwrap_err().contains("no GPU can be used: no driver"));
}

#[test]
fn flags_win_over_the_file_and_unknown_keys_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("girandole.toml");
    fs::write(&path, "model_repository = [\"file\"]\nhttp_port = 1\ngrpc_port = 2\n").unwrap();
    let flags = ServeOptions { config: Some(path.clone()), http_port: Some(9), ..ServeOptions::default() };
    let config = resolved(flags.clone()).unwrap();
    assert_eq!((config.addresses.http.port(), config.addresses.grpc.port()), (9, 2));
    assert_eq!(config.repositories, [PathBuf::from("file")]);
    fs::write(&path, "http_prot = 1\n").unwrap();
    assert!(resolved(flags).unwrap_err().contains("http_prot"));
}
