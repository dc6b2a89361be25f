//! JSON web tokens (RFC 7519) of issuers whose public keys (RFC 7517) are in a file.
//!
//! Invariants: only signatures by asymmetric keys of the file count, each with the algorithms of its own kind, so that
//! no token chooses how it is checked (RFC 8725); a token must name issuer, audience and its end.

use std::{collections::BTreeMap, sync::Arc};

use girandole_core::{Error, ErrorCode, Result};
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet},
};
use serde_json::{Map, Value};

use crate::{caller::Caller, grant::Grant, quota::Quota};

/// Longest token looked at.
const MAX_TOKEN: usize = 16 << 10;
/// Longest name taken from a token.
const MAX_NAME: usize = 256;
/// Seconds that clocks may differ.
const LEEWAY: u64 = 30;

/// Who signs tokens, and what they allow.
#[derive(Clone)]
pub(crate) struct Issuer {
    pub(crate) issuer: String,
    pub(crate) keys: Vec<PublicKey>,
    pub(crate) validation: Validation,
    /// The claim that names the caller.
    pub(crate) name_claim: String,
    pub(crate) rules: Vec<Rule>,
    pub(crate) quota: Option<Arc<Quota>>,
}

/// A key of the file.
#[derive(Clone)]
pub(crate) struct PublicKey {
    id: Option<String>,
    algorithms: &'static [Algorithm],
    key: DecodingKey,
}

/// What tokens with a claim may do.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// Of each claim, a value that it must be or hold.
    pub(crate) claims: BTreeMap<String, String>,
    pub(crate) grant: Grant,
}

impl Issuer {
    /// What tokens are checked for besides their signature.
    pub(crate) fn validation(issuer: &str, audience: &str) -> Validation {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation
    }

    /// Who a token of this issuer is.
    fn holder(&self, token: &str) -> Option<Caller> {
        let header = decode_header(token).ok()?;
        let key = match &header.kid {
            Some(id) => self.keys.iter().find(|key| key.id.as_ref() == Some(id))?,
            None => self.keys.first().filter(|_| self.keys.len() == 1)?,
        };
        if !key.algorithms.contains(&header.alg) {
            return None;
        }
        let mut validation = self.validation.clone();
        validation.algorithms = vec![header.alg];
        let claims = decode::<Map<String, Value>>(token, &key.key, &validation).ok()?.claims;
        let name =
            claims.get(&self.name_claim)?.as_str().filter(|name| (1..=MAX_NAME).contains(&name.len()))?;
        let rules = self.rules.iter().filter(|rule| rule.fits(&claims));
        Some(Caller {
            name: Some(name.into()),
            grants: rules.map(|rule| rule.grant.clone()).collect(),
            quota: self.quota.clone(),
        })
    }
}

/// Who a token is, by whichever issuer it is of.
///
/// # Errors
/// `Unauthenticated`, which does not say why: a token that is not in order is nobody's business but its issuer's.
pub(crate) fn holder(issuers: &[Issuer], token: &str) -> Result<Caller> {
    let found = Some(token).filter(|token| token.len() <= MAX_TOKEN);
    let found = found.and_then(|token| issuers.iter().find_map(|issuer| issuer.holder(token)));
    found.ok_or_else(|| {
        let message =
            "the token is not valid here: expired, for another audience, or by an issuer that is not known";
        Error::new(ErrorCode::Unauthenticated, message)
    })
}

/// The keys of a file that sign tokens.
///
/// # Errors
/// Where there is none, or one that is secret, which anybody who can check with it could sign with.
pub(crate) fn keys(jwks: &str) -> Result<Vec<PublicKey>, String> {
    let set: JwkSet = serde_json::from_str(jwks).map_err(|error| format!("is no JWK set: {error}"))?;
    if set.keys.iter().any(|key| matches!(key.algorithm, AlgorithmParameters::OctetKey(_))) {
        return Err("holds a symmetric key; only public keys are taken".to_owned());
    }
    let keys: Vec<_> = set.keys.iter().filter_map(public_key).collect();
    if keys.is_empty() { Err("holds no RSA, P-256, P-384 or Ed25519 key".to_owned()) } else { Ok(keys) }
}

fn public_key(jwk: &Jwk) -> Option<PublicKey> {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    let algorithms: &[Algorithm] = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => &[RS256, RS384, RS512, PS256, PS384, PS512],
        AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
            EllipticCurve::P256 => &[ES256],
            EllipticCurve::P384 => &[ES384],
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(_) => &[EdDSA],
        _ => return None,
    };
    Some(PublicKey { id: jwk.common.key_id.clone(), algorithms, key: DecodingKey::from_jwk(jwk).ok()? })
}

impl Rule {
    fn fits(&self, claims: &Map<String, Value>) -> bool {
        self.claims.iter().all(|(name, wanted)| claims.get(name).is_some_and(|claim| holds(claim, wanted)))
    }
}

/// A claim is the value, or a list with it, or a text of words with it, as OAuth's `scope` (RFC 8693, 4.2).
fn holds(claim: &Value, wanted: &str) -> bool {
    match claim {
        Value::String(text) => text == wanted || text.split(' ').any(|word| word == wanted),
        Value::Array(values) => values.iter().any(|value| value.as_str() == Some(wanted)),
        _ => false,
    }
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuer")
            .field("issuer", &self.issuer)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}
