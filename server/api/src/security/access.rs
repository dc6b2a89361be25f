//! Who may administer: the holder of a token, or, where there are no tokens, whoever is on this machine.
//!
//! Without tokens only requests are taken that no web page can have caused: a page may send requests to loopback
//! addresses, but with its own name as Host (DNS rebinding) or with an Origin. Tokens are kept as digests and compared
//! in constant time; they are in no message and no log.

use std::{
    fmt, fs,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
};

use axum::{
    RequestPartsExt,
    extract::{RawPathParams, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use girandole_access::{Action, Secrets, bearer};
use girandole_core::{Error, ErrorCode, Result, audit::Actor};
use http::{HeaderMap, Method, Uri, header, request::Parts, uri::Authority};

use super::Guard;
use crate::error::RestError;

/// Shortest token.
const MIN_TOKEN: usize = 16;
/// Longest name of a token.
const MAX_NAME: usize = 64;

/// Who may administer.
#[derive(Clone, Debug)]
pub enum Access {
    /// Whoever is on this machine.
    Loopback,
    /// Who holds a token.
    Tokens(Tokens),
    /// Whom the policy lets, the model included.
    Policy(Guard),
}

/// Tokens and their holders' names.
#[derive(Clone)]
pub struct Tokens(Arc<Secrets<String>>);

impl Tokens {
    /// Reads a token file: a name and a token on each line, with a space between; `#` begins a comment.
    ///
    /// # Errors
    /// `InvalidArgument` where it cannot be read, holds no token, or one that is too short.
    pub fn load(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path);
        let text = text.map_err(|error| Error::invalid(format!("the token file cannot be read: {error}")))?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self> {
        let lines =
            text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
        let mut tokens = Secrets::default();
        for (number, line) in lines {
            let (name, token) = token(number + 1, line)?;
            tokens.add(token.as_bytes(), name.to_owned());
        }
        if tokens.holders().len() == 0 {
            return Err(Error::invalid("the token file holds no token"));
        }
        Ok(Self(Arc::new(tokens)))
    }
}

fn token(number: usize, line: &str) -> Result<(&str, &str)> {
    let mut words = line.split_whitespace();
    let (Some(name), Some(token), None) = (words.next(), words.next(), words.next()) else {
        return Err(Error::invalid(format!("the token file, line {number}: expected a name and a token")));
    };
    if name.len() > MAX_NAME || token.len() < MIN_TOKEN {
        let what = format!("names have at most {MAX_NAME} and tokens at least {MIN_TOKEN} characters");
        return Err(Error::invalid(format!("the token file, line {number}: {what}")));
    }
    Ok((name, token))
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.holders()).finish()
    }
}

impl Access {
    /// Who a request is from.
    ///
    /// # Errors
    /// `Unauthenticated` without a token or with a wrong one, `PermissionDenied` for what a web page may have caused,
    /// or for what the policy does not allow.
    fn check(&self, asked: &Asked<'_>, peer: SocketAddr) -> Result<Actor> {
        let headers = &asked.parts.headers;
        match self {
            Self::Loopback => loopback(&asked.parts.uri, headers).map(|()| Actor::Loopback(peer)),
            Self::Policy(guard) => {
                let caller = guard.caller(headers, &asked.parts.extensions)?;
                let caller = caller.ok_or_else(|| Error::internal("there is no policy"))?;
                caller.may(asked.action(), asked.model)?;
                Ok(Actor::Token { name: caller.name().to_owned(), peer })
            }
            Self::Tokens(tokens) => {
                let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
                let name = value.and_then(bearer).and_then(|token| tokens.0.holder(token.as_bytes()));
                let name = name.ok_or_else(|| {
                    Error::new(ErrorCode::Unauthenticated, "needs 'Authorization: Bearer' with a valid token")
                })?;
                Ok(Actor::Token { name: name.to_owned(), peer })
            }
        }
    }
}

fn loopback(uri: &Uri, headers: &HeaderMap) -> Result<()> {
    let denied = |what: &str| {
        let message =
            format!("{what}: without --admin-token-file only programs on this machine may administer");
        Err(Error::new(ErrorCode::PermissionDenied, message))
    };
    if headers.contains_key(header::ORIGIN) {
        return denied("the request is from a web page");
    }
    let mut hosts = headers.get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or_default());
    let named = hosts.next().or_else(|| uri.authority().map(Authority::as_str)).unwrap_or_default();
    match hosts.next().is_none() && is_this_machine(named) {
        true => Ok(()),
        false => denied("the Host is not this machine's loopback"),
    }
}

/// Whether a Host header names the loopback itself, rather than a name that leads there.
fn is_this_machine(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// A request for administration.
struct Asked<'a> {
    parts: &'a Parts,
    /// The model that the path names.
    model: Option<&'a str>,
}

impl Asked<'_> {
    fn action(&self) -> Action {
        match self.parts.method {
            Method::GET | Method::HEAD => Action::Observe,
            _ => Action::Administer,
        }
    }
}

/// Lets a request in with its [`Actor`] as extension, or refuses it.
pub(crate) async fn admit(State(access): State<Access>, request: Request, next: Next) -> Response {
    let Some(&peer) = request.extensions().get::<SocketAddr>() else {
        return RestError(Error::internal("the connection has no peer")).into_response();
    };
    let (mut parts, body) = request.into_parts();
    let params = parts.extract::<RawPathParams>().await.ok();
    let mut params = params.iter().flatten();
    let model = params.find(|(key, _)| *key == "model").map(|(_, value)| value);
    match access.check(&Asked { parts: &parts, model }, peer) {
        Ok(who) => {
            parts.extensions.insert(who);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(error) => {
            tracing::warn!(%peer, %error, "a request for administration was refused");
            RestError(error).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    const TOKENS: &str = "# who  token\nops 0123456789abcdef\n\nci  fedcba9876543210\n";

    fn check(access: &Access, headers: &[(HeaderName, &str)]) -> Result<String, ErrorCode> {
        let headers =
            headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
        let peer = ([127, 0, 0, 1], 9).into();
        let mut parts = http::Request::get("/admin/v1/audit").body(()).unwrap().into_parts().0;
        parts.headers = headers.collect();
        let who = access.check(&Asked { parts: &parts, model: None }, peer);
        who.map(|who| who.to_string()).map_err(|error| error.code())
    }

    #[test]
    fn a_token_says_who_it_is() {
        let access = Access::Tokens(Tokens::parse(TOKENS).unwrap());
        let given = |value| check(&access, &[(header::AUTHORIZATION, value)]);
        assert_eq!(given("Bearer 0123456789abcdef"), Ok("ops".to_owned()));
        assert_eq!(given("bearer fedcba9876543210"), Ok("ci".to_owned()));
        for wrong in ["Bearer 0123456789abcdee", "Bearer ", "Basic 0123456789abcdef", "Bearer", "ops"] {
            assert_eq!(given(wrong), Err(ErrorCode::Unauthenticated), "{wrong}");
        }
        assert_eq!(check(&access, &[]), Err(ErrorCode::Unauthenticated));
        assert!(!format!("{access:?}").contains("0123"));
    }

    #[test]
    fn token_files_are_checked() {
        for wrong in ["", "# none\n", "ops\n", "ops short\n", "ops 0123456789abcdef more\n"] {
            let error = Tokens::parse(wrong).unwrap_err();
            assert!(!error.message().contains("0123"), "{error}");
        }
    }

    #[test]
    fn without_tokens_nothing_comes_from_web_pages() {
        let host = |host| check(&Access::Loopback, &[(header::HOST, host)]);
        for fine in ["localhost", "LOCALHOST:8003", "127.0.0.1:8003", "127.1.2.3", "[::1]:8003"] {
            assert_eq!(host(fine), Ok("loopback".to_owned()), "{fine}");
        }
        for foreign in ["evil.example", "localhost.evil.example:8003", "10.0.0.1:8003", "0.0.0.0", "", "a b"]
        {
            assert_eq!(host(foreign), Err(ErrorCode::PermissionDenied), "{foreign}");
        }
        let twice = [(header::HOST, "localhost"), (header::HOST, "localhost")];
        assert_eq!(check(&Access::Loopback, &twice), Err(ErrorCode::PermissionDenied));
        for origin in ["http://localhost:8003", "null"] {
            let headers = [(header::HOST, "localhost"), (header::ORIGIN, origin)];
            assert_eq!(check(&Access::Loopback, &headers), Err(ErrorCode::PermissionDenied));
        }
    }
}
