//! The files that operators write in TOML: a model's traffic, who may do what, and the server's own configuration.

use girandole_access::{Action, Credentials, Policy};
use girandole_runtime::traffic::{Split, Traffic};

use crate::{
    config::{Addresses, Machine, ServeConfig, ServeOptions, resolve},
    memory,
};

/// A `traffic.toml`, or an access file or the server's configuration where its first line says so.
pub fn read(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    memory::within(text.len(), memory::TOML, || {
        match text {
            _ if text.starts_with("# access") => access(text),
            _ if text.starts_with("# server") => server(text),
            _ => traffic(text),
        }
    });
}

fn traffic(text: &str) {
    let Ok(traffic) = Traffic::parse(text, "fuzz") else { return };
    assert!(traffic.versions().iter().all(|&version| version > 0) || traffic.versions().is_empty());
    traffic.split.iter().for_each(every_request_goes_somewhere);
}

fn every_request_goes_somewhere(split: &Split) {
    for turn in 0..4 {
        assert!(split.by_turn(turn, |_| true).is_some(), "turn {turn}");
        assert!(split.by_key(&turn.to_string(), |_| true).is_some(), "key {turn}");
    }
}

fn server(text: &str) {
    let resolved = || resolve(ServeOptions::default(), text, Machine { cores: 2, gpus: Ok(0) });
    match resolved() {
        Ok(config) => only_to_whom_it_says(&config, text),
        Err(mistakes) => assert!(!mistakes.is_empty(), "refused without a word"),
    }
}

/// What others can reach is encrypted, unless the file says that it need not be.
fn only_to_whom_it_says(config: &ServeConfig, text: &str) {
    let Addresses { http, grpc, admin, .. } = config.addresses;
    let mut reachable =
        [Some(http), Some(grpc), admin].into_iter().flatten().filter(|at| !at.ip().to_canonical().is_loopback());
    assert!(config.tls.is_some() || text.contains("insecure") || reachable.next().is_none());
    assert!(config.shutdown_grace <= config.exit_timeout);
}

fn access(text: &str) {
    // A key set stands where its file's name would.
    let Ok(policy) = Policy::parse(text, &|name| Ok(name.to_owned())) else { return };
    let names = ["oss".to_owned(), "spiffe://telco/oss/a".to_owned()];
    for credentials in [
        Credentials::default(),
        Credentials { api_key: Some("key"), ..Credentials::default() },
        Credentials { authorization: Some("Bearer e30.e30.e30"), ..Credentials::default() },
        Credentials { certificate: Some(&names), ..Credentials::default() },
    ] {
        let Ok(caller) = policy.caller(&credentials) else { continue };
        let may = caller.may(Action::Infer, Some("congestion"));
        assert_eq!(may.is_ok(), caller.may(Action::Infer, Some("congestion")).is_ok(), "asked twice");
        drop(policy.admit(&caller, "congestion"));
    }
}
