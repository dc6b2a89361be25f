//! Whole policies, asked with credentials of every kind, good and forged.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{SystemTime, UNIX_EPOCH};

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use girandole_access::{Action, Caller, Credentials, Policy, new_key};
use girandole_core::{ErrorCode, Result};
use jsonwebtoken::{
    Algorithm, EncodingKey, Header, encode,
    jwk::{Jwk, JwkSet},
};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256};
use serde_json::{Value, json};

/// A key that signs tokens, and its public half.
struct Signer(Algorithm, EncodingKey, Jwk);

impl Signer {
    fn new(algorithm: Algorithm) -> Self {
        let (kind, key): (_, fn(&[u8]) -> EncodingKey) = match algorithm {
            // The key itself, without what PKCS #8 says of it before.
            Algorithm::RS256 => (&PKCS_RSA_SHA256, |der| EncodingKey::from_rsa_der(&der[26..])),
            Algorithm::ES256 => (&PKCS_ECDSA_P256_SHA256, EncodingKey::from_ec_der),
            _ => (&PKCS_ED25519, EncodingKey::from_ed_der),
        };
        let pair = KeyPair::generate_for(kind).unwrap();
        let key = key(pair.serialized_der());
        let mut public = Jwk::from_encoding_key(&key, algorithm).unwrap_or_else(|_| {
            let x = BASE64_URL_SAFE_NO_PAD.encode(pair.public_key_raw());
            serde_json::from_value(json!({"kty": "OKP", "crv": "Ed25519", "x": x})).unwrap()
        });
        public.common.key_id = Some("one".to_owned());
        Self(algorithm, key, public)
    }

    fn jwks(&self) -> String {
        serde_json::to_string(&JwkSet { keys: vec![self.2.clone()] }).unwrap()
    }

    fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some("one".to_owned()), ..Header::new(self.0) };
        encode(&header, claims, &self.1).unwrap()
    }
}

const ISSUER: &str = "
[[issuer]]
issuer = 'https://sso.example'
audience = 'girandole'
jwks = 'jwks.json'
[[issuer.grant]]
claims = { groups = 'planners' }
roles = ['infer']
models = ['congestion*']
[[issuer.grant]]
claims = { scope = 'ml:admin' }
roles = ['admin']
";

fn policy(text: &str, jwks: &str) -> Policy {
    Policy::parse(text, &|_| Ok(jwks.to_owned())).unwrap()
}

fn bearer(policy: &Policy, token: &str) -> Result<Caller> {
    let authorization = format!("Bearer {token}");
    policy.caller(&Credentials { authorization: Some(&authorization), ..Credentials::default() })
}

fn claims() -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    json!({"iss": "https://sso.example", "aud": "girandole", "sub": "ada", "exp": now + 600, "groups": ["x", "planners"]})
}

fn with(change: &Value) -> Value {
    let mut claims = claims();
    for (name, value) in change.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

#[test]
fn tokens_of_every_kind_of_key_say_who_it_is() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let signer = Signer::new(algorithm);
        let policy = policy(ISSUER, &signer.jwks());
        let caller = bearer(&policy, &signer.sign(&claims())).unwrap();
        assert_eq!(caller.name(), "ada", "{algorithm:?}");
        assert_eq!(caller.may(Action::Infer, Some("congestion-2")), Ok(()));
        assert_eq!(caller.may(Action::Infer, Some("churn")).unwrap_err().code(), ErrorCode::PermissionDenied);
        let admin = bearer(&policy, &signer.sign(&with(&json!({"scope": "openid ml:admin"})))).unwrap();
        assert_eq!(admin.may(Action::Administer, Some("churn")), Ok(()));
        let nobody = bearer(&policy, &signer.sign(&with(&json!({"groups": "planners-2"})))).unwrap();
        assert!(nobody.may(Action::Describe, None).is_err());
    }
}

#[test]
fn tokens_that_are_not_in_order_are_refused() {
    let signer = Signer::new(Algorithm::ES256);
    let policy = policy(ISSUER, &signer.jwks());
    let now = claims()["exp"].as_u64().unwrap() - 600;
    for wrong in [
        json!({"exp": now - 60}),
        json!({"exp": null}),
        json!({"nbf": now + 600}),
        json!({"aud": "another"}),
        json!({"aud": null}),
        json!({"iss": "https://sso.example.evil"}),
        json!({"iss": null}),
        json!({"sub": null}),
        json!({"sub": ""}),
        json!({"sub": 7}),
        json!({"sub": "x".repeat(300)}),
    ] {
        let refused = bearer(&policy, &signer.sign(&with(&wrong))).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::Unauthenticated, "{wrong}");
    }
    let another = Signer::new(Algorithm::ES256).sign(&claims());
    assert!(bearer(&policy, &another).is_err());
}

#[test]
fn a_token_does_not_choose_how_it_is_checked() {
    let signer = Signer::new(Algorithm::RS256);
    let policy = policy(ISSUER, &signer.jwks());
    let token = signer.sign(&claims());
    assert!(bearer(&policy, &token).is_ok());
    let (head, signature) = token.rsplit_once('.').unwrap();
    let (_, payload) = head.split_once('.').unwrap();
    // {"alg":"none","kid":"one"}
    let none = format!("eyJhbGciOiJub25lIiwia2lkIjoib25lIn0.{payload}.");
    // Signed with what everybody knows, the public key.
    let symmetric = EncodingKey::from_secret(signer.jwks().as_bytes());
    let header = Header { kid: Some("one".to_owned()), ..Header::new(Algorithm::HS256) };
    let symmetric = encode(&header, &claims(), &symmetric).unwrap();
    let unknown = Header { kid: Some("two".to_owned()), ..Header::new(Algorithm::RS256) };
    let unknown = encode(&unknown, &claims(), &signer.1).unwrap();
    let other_payload = signer.sign(&with(&json!({"scope": "ml:admin"})));
    let mixed = format!("{}.{signature}", other_payload.rsplit_once('.').unwrap().0);
    let long = format!("{token}{}", "A".repeat(20_000));
    for forged in [&*none, &symmetric, &unknown, &mixed, &long, "..", "a.b.c", head] {
        assert_eq!(bearer(&policy, forged).unwrap_err().code(), ErrorCode::Unauthenticated, "{forged}");
    }
}

#[test]
fn keys_certificates_and_nobody() {
    let (key, digest) = new_key([3; 32]);
    let text = format!(
        "anonymous = {{ roles = ['observe'], models = ['demo'] }}
        [[key]]
        name = 'app'
        sha256 = '{digest}'
        roles = ['infer']
        models = ['churn']
        [[certificate]]
        name = 'oss'
        identity = 'spiffe://telco/oss/*'
        roles = ['admin']
        "
    );
    let policy = policy(&text, "");
    let names = ["spiffe://telco/oss/7".to_owned()];
    let ask =
        |credentials: Credentials<'_>| policy.caller(&credentials).map(|caller| caller.name().to_owned());
    let nothing = Credentials::default();
    assert_eq!(ask(Credentials { api_key: Some(&key), ..nothing }), Ok("app".to_owned()));
    let value = format!("bearer {key}");
    assert_eq!(ask(Credentials { authorization: Some(&value), ..nothing }), Ok("app".to_owned()));
    assert_eq!(ask(Credentials { certificate: Some(&names), ..nothing }), Ok("oss".to_owned()));
    let both = Credentials { certificate: Some(&names), api_key: Some(&key), ..nothing };
    assert_eq!(ask(both), Ok("app".to_owned()), "what is shown for the request comes first");
    for wrong in [
        Credentials { api_key: Some("wrong"), certificate: Some(&names), ..nothing },
        Credentials { authorization: Some("Basic YTpi"), ..nothing },
        Credentials { authorization: Some(""), ..nothing },
        Credentials { authorization: Some(&value), api_key: Some(&key), ..nothing },
    ] {
        assert_eq!(policy.caller(&wrong).unwrap_err().code(), ErrorCode::Unauthenticated, "{wrong:?}");
    }
    let stranger = policy.caller(&Credentials { certificate: Some(&["x".to_owned()]), ..nothing }).unwrap();
    assert_eq!(stranger.may(Action::Observe, Some("demo")).unwrap_err().code(), ErrorCode::PermissionDenied);
    let nobody = policy.caller(&nothing).unwrap();
    assert_eq!(nobody.may(Action::Observe, Some("demo")), Ok(()));
    assert_eq!(nobody.may(Action::Observe, Some("churn")).unwrap_err().code(), ErrorCode::Unauthenticated);
}

#[test]
fn every_mistake_is_told_at_once() {
    let text = "
        [[key]]
        name = 'a'
        sha256 = '0000000000000000000000000000000000000000000000000000000000000000'
        roles = ['infer']
        limits = { burst = 3 }
        [[certificate]]
        name = 'a'
        identity = '*'
        roles = []
        [[issuer]]
        issuer = 'i'
        audience = 'a'
        jwks = 'gone.json'
        [[model]]
        name = 'm'
        limits = {}
        ";
    let refused = Policy::parse(text, &|_| Err("cannot be read".to_owned())).unwrap_err();
    for mistake in [
        "key[0].limits: burst",
        "certificate[0]: 'a' is there already",
        "issuer[0]: jwks 'gone.json'",
        "model[0].limits: bounds nothing",
    ] {
        assert!(refused.message().contains(mistake), "{refused}");
    }
    let symmetric = r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#;
    let refused = Policy::parse(ISSUER, &|_| Ok(symmetric.to_owned())).unwrap_err();
    assert!(refused.message().contains("symmetric"), "{refused}");
    for wrong in [
        "[[key]]\nname = 'a'\nsha256 = ''\nroles = []",
        "key = 3",
        "unknown = 1",
        "anonymous = { roles = ['root'] }",
        "[[model]]\nname = '['\nlimits = { concurrent = 1 }",
    ] {
        assert!(Policy::parse(wrong, &|_| Ok(String::new())).is_err(), "{wrong}");
    }
}

#[test]
fn each_model_has_a_bucket_of_its_own_whoever_asks() {
    let (key, digest) = new_key([3; 32]);
    let text = format!(
        "anonymous = {{ roles = ['admin'] }}
        [[key]]
        name = 'app'
        sha256 = '{digest}'
        roles = ['infer']
        limits = {{ concurrent = 1 }}
        [[model]]
        name = 'congestion-small'
        limits = {{ concurrent = 3 }}
        [[model]]
        name = 'congestion*'
        limits = {{ requests_per_second = 1, burst = 2 }}
        "
    );
    let policy = policy(&text, "");
    let app = policy.caller(&Credentials { api_key: Some(&key), ..Credentials::default() }).unwrap();
    let nobody = policy.caller(&Credentials::default()).unwrap();
    let first = policy.admit(&app, "congestion-1").unwrap();
    let whose = |caller: &Caller, model: &str| {
        let refused = policy.admit(caller, model).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::Overloaded);
        refused.message().to_owned()
    };
    let callers = "caller 'app' has 1 requests in work, as many as its quota allows";
    assert_eq!(whose(&app, "congestion-1"), callers);
    drop(policy.admit(&nobody, "congestion-1").unwrap());
    drop(first);
    let models = "model 'congestion-1' is asked more often than its quota allows";
    assert_eq!([whose(&app, "congestion-1"), whose(&nobody, "congestion-1")], [models; 2]);
    assert!(policy.admit(&app, "congestion-2").is_ok(), "another model of the same rule");
    let held: Vec<_> = (0..3).map(|_| policy.admit(&nobody, "congestion-small").unwrap()).collect();
    let models = "model 'congestion-small' has 3 requests in work, as many as its quota allows";
    assert_eq!(whose(&app, "congestion-small"), models);
    assert!(policy.admit(&app, "churn").is_ok(), "who was refused gave its place back");
    drop(held);
    assert!(policy.admit(&app, "congestion-small").is_ok());
}
