//! Everything that the file says, asked with what a request brings.

use girandole_core::{Error, ErrorCode, Result};

use crate::{
    caller::Caller, certificate::Certificates, file, issuer, issuer::Issuer, key::Secrets,
    model::ModelQuotas, quota::Turn,
};

/// What a request shows to say who it is from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Credentials<'a> {
    /// The value of `Authorization`.
    pub authorization: Option<&'a str>,
    /// The value of `x-api-key`.
    pub api_key: Option<&'a str>,
    /// The names of the client's certificate, where TLS has checked one.
    pub certificate: Option<&'a [String]>,
}

/// Who may do what.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(crate) keys: Secrets<Caller>,
    pub(crate) certificates: Certificates,
    pub(crate) issuers: Vec<Issuer>,
    pub(crate) models: ModelQuotas,
    pub(crate) anonymous: Caller,
}

/// A request that was let in; it counts as in work until this is dropped.
#[derive(Debug)]
#[must_use]
pub struct Admitted {
    _caller: Option<Turn>,
    _model: Option<Turn>,
}

impl Policy {
    /// Reads a policy; `read` gives the text of files that it names.
    ///
    /// # Errors
    /// `InvalidArgument` with every mistake.
    pub fn parse(text: &str, read: &dyn Fn(&str) -> Result<String, String>) -> Result<Self> {
        file::parse(text, read).map_err(Error::invalid)
    }

    /// Who a request is from: a key or a token where it brings one, else its certificate's holder, else nobody in
    /// particular.
    ///
    /// # Errors
    /// `Unauthenticated` for a credential that is not in order: it is never as if there were none.
    pub fn caller(&self, credentials: &Credentials<'_>) -> Result<Caller> {
        let Credentials { authorization, api_key, certificate } = *credentials;
        match (authorization, api_key) {
            (Some(_), Some(_)) => Err(unauthenticated("send either Authorization or x-api-key")),
            (Some(value), None) => {
                let secret = bearer(value);
                self.secret(
                    secret.ok_or_else(|| unauthenticated("the scheme of Authorization must be Bearer"))?,
                )
            }
            (None, Some(key)) => self.key(key),
            (None, None) => Ok(match certificate {
                Some(names) => self.certificates.holder(names).unwrap_or_else(|| stranger(names)),
                None => self.anonymous.clone(),
            }),
        }
    }

    /// Lets a request in by the caller's quota and the model's, which a caller without any left takes nothing of.
    ///
    /// # Errors
    /// `Overloaded` with whose quota it is and when to try again.
    pub fn admit(&self, caller: &Caller, model: &str) -> Result<Admitted> {
        Ok(Admitted { _caller: caller.admit()?, _model: self.models.admit(model)? })
    }

    /// Tokens have two dots (RFC 7515, 7.1), keys none.
    fn secret(&self, secret: &str) -> Result<Caller> {
        if secret.contains('.') { issuer::holder(&self.issuers, secret) } else { self.key(secret) }
    }

    fn key(&self, key: &str) -> Result<Caller> {
        self.keys.holder(key.as_bytes()).cloned().ok_or_else(|| unauthenticated("the API key is not known"))
    }
}

/// The secret of an Authorization header; the scheme's name has no case (RFC 9110, section 11.1).
pub fn bearer(value: &str) -> Option<&str> {
    let (scheme, secret) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(secret.trim())
}

/// Whoever has a certificate that no rule speaks of may do nothing, by name.
fn stranger(names: &[String]) -> Caller {
    let name = names.first().map_or("a certificate without a name", String::as_str);
    Caller { name: Some(name.into()), grants: [].into(), quota: None }
}

fn unauthenticated(message: &str) -> Error {
    Error::new(ErrorCode::Unauthenticated, message)
}
