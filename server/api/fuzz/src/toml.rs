//! The files that operators write in TOML: a model's traffic and who may do what.

use girandole_access::{Action, Credentials, Policy};
use girandole_runtime::traffic::{Split, Traffic};

use crate::memory;

/// A `traffic.toml`, or an access file where its first line says so.
pub fn read(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    memory::within(text.len(), memory::TOML, || {
        if text.starts_with("# access") { access(text) } else { traffic(text) }
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
        drop(caller.admit());
    }
}
