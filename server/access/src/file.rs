//! The file: who there is, in TOML. Every mistake is told at once, with its place.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::{
    Role,
    caller::Caller,
    certificate::Certificates,
    grant::{Grant, Models},
    issuer::{self, Issuer, Rule},
    key::{KeyDigest, Secrets},
    model::ModelQuotas,
    pattern::Pattern,
    policy::Policy,
    quota::{Limits, Of},
};

/// Longest name.
const MAX_NAME: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    anonymous: Option<Grant>,
    #[serde(default)]
    key: Vec<KeyEntry>,
    #[serde(default)]
    certificate: Vec<CertificateEntry>,
    #[serde(default)]
    issuer: Vec<IssuerEntry>,
    #[serde(default)]
    model: Vec<ModelEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    name: String,
    sha256: KeyDigest,
    roles: Vec<Role>,
    #[serde(default)]
    models: Models,
    #[serde(default)]
    limits: Limits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CertificateEntry {
    name: String,
    identity: Pattern,
    roles: Vec<Role>,
    #[serde(default)]
    models: Models,
    #[serde(default)]
    limits: Limits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IssuerEntry {
    issuer: String,
    audience: String,
    jwks: String,
    name_claim: Option<String>,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    grant: Vec<RuleEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleEntry {
    #[serde(default)]
    claims: BTreeMap<String, String>,
    roles: Vec<Role>,
    #[serde(default)]
    models: Models,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelEntry {
    name: Pattern,
    limits: Limits,
}

/// Gives the text of a file that the policy names.
pub(crate) type Read<'a> = &'a dyn Fn(&str) -> Result<String, String>;

/// The policy that a text says.
///
/// # Errors
/// Every mistake, each on a line.
pub(crate) fn parse(text: &str, read: Read<'_>) -> Result<Policy, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    let mut holders = Holders::default();
    let (mut keys, mut certificates) = (Secrets::default(), Certificates::default());
    for (i, KeyEntry { name, sha256, roles, models, limits }) in file.key.into_iter().enumerate() {
        keys.push(sha256, holders.caller(&format!("key[{i}]"), &name, Grant { roles, models }, limits));
    }
    for (i, CertificateEntry { name, identity, roles, models, limits }) in
        file.certificate.into_iter().enumerate()
    {
        let place = format!("certificate[{i}]");
        certificates.0.push((identity, holders.caller(&place, &name, Grant { roles, models }, limits)));
    }
    let mut mistakes = holders.mistakes;
    let mut issuers = Vec::new();
    for (i, entry) in file.issuer.into_iter().enumerate() {
        match issuer(entry, read) {
            Ok(issuer) => issuers.push(issuer),
            Err(what) => mistakes.push(format!("issuer[{i}]: {what}")),
        }
    }
    let mut models = ModelQuotas::default();
    for (i, ModelEntry { name, limits }) in file.model.into_iter().enumerate() {
        match limits.quota(Of::Models) {
            Ok(Some(quota)) => models.0.push((name, quota)),
            Ok(None) => mistakes
                .push(format!("model[{i}].limits: bounds nothing; give requests_per_second or concurrent")),
            Err(what) => mistakes.push(format!("model[{i}].limits: {what}")),
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes.join("\n"));
    }
    let anonymous = Caller { name: None, grants: file.anonymous.into_iter().collect(), quota: None };
    Ok(Policy { keys, certificates, issuers, models, anonymous })
}

/// Those who hold a key or a certificate, each by a name of its own.
#[derive(Default)]
struct Holders {
    names: BTreeSet<String>,
    mistakes: Vec<String>,
}

impl Holders {
    fn caller(&mut self, place: &str, name: &str, grant: Grant, limits: Limits) -> Caller {
        if name.is_empty() || name.len() > MAX_NAME {
            self.mistakes.push(format!("{place}: a name has 1 to {MAX_NAME} characters"));
        }
        if !self.names.insert(name.to_owned()) {
            self.mistakes.push(format!("{place}: '{name}' is there already"));
        }
        let quota = limits.quota(Of::Callers).unwrap_or_else(|what| {
            self.mistakes.push(format!("{place}.limits: {what}"));
            None
        });
        Caller { name: Some(name.into()), grants: [grant].into(), quota }
    }
}

fn issuer(entry: IssuerEntry, read: Read<'_>) -> Result<Issuer, String> {
    let jwks = read(&entry.jwks).map_err(|what| format!("jwks '{}' {what}", entry.jwks))?;
    let keys = issuer::keys(&jwks).map_err(|what| format!("jwks '{}' {what}", entry.jwks))?;
    if entry.grant.is_empty() {
        return Err("needs a grant, or its tokens may do nothing".to_owned());
    }
    let rule = |RuleEntry { claims, roles, models }| Rule { claims, grant: Grant { roles, models } };
    Ok(Issuer {
        validation: Issuer::validation(&entry.issuer, &entry.audience),
        issuer: entry.issuer,
        keys,
        name_claim: entry.name_claim.unwrap_or_else(|| "sub".to_owned()),
        rules: entry.grant.into_iter().map(rule).collect(),
        quota: entry.limits.quota(Of::Callers).map_err(|what| format!("limits: {what}"))?,
    })
}
