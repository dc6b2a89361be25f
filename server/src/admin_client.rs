//! Asks a running server's listener for administration.

use std::{fs, sync::Arc, time::Duration};

use rustls::crypto::aws_lc_rs;
use serde_json::Value;
use ureq::{
    Agent, Body,
    http::Response,
    tls::{PemItem, RootCerts, TlsConfig, parse_pem},
};

use crate::{cli::AdminServer, commands::Failure};

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client of one server.
pub(crate) struct AdminClient {
    agent: Agent,
    server: String,
    authorization: Option<String>,
}

/// What a server answered: a document, and the tag of the file that it speaks of.
pub(crate) struct Answer {
    pub(crate) json: Value,
    pub(crate) tag: String,
}

impl AdminClient {
    /// A client that connects when it is first used.
    ///
    /// # Errors
    /// Where the token or the authorities cannot be read.
    pub(crate) fn new(of: &AdminServer) -> Result<Self, Failure> {
        let token = of.token_file.as_ref().map(|file| {
            let text = fs::read_to_string(file);
            let text = text.map_err(|error| Failure::new(format!("--token-file: {error}")))?;
            token(&text).map(str::to_owned).ok_or_else(|| Failure::new("--token-file: holds no token"))
        });
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            // The server is meant, and no proxy.
            .proxy(None)
            .tls_config(tls(of)?)
            .build();
        Ok(Self {
            agent: agent.into(),
            server: of.server.trim_end_matches('/').to_owned(),
            authorization: token.transpose()?.map(|token| format!("Bearer {token}")),
        })
    }

    /// What is at a path.
    ///
    /// # Errors
    /// Where the server cannot be reached, or with what it answers.
    pub(crate) fn get(&self, path: &str) -> Result<Answer, Failure> {
        let request = self.agent.get(self.url(path));
        self.answer(self.authorized(request).call())
    }

    /// Puts a document where one with a tag is.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) fn put(&self, path: &str, tag: &str, json: &Value) -> Result<Answer, Failure> {
        let request = self.agent.put(self.url(path)).header("if-match", tag);
        self.answer(self.authorized(request).send(json.to_string()))
    }

    /// Tells the server to do something.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) fn post(&self, path: &str) -> Result<Answer, Failure> {
        let request = self.agent.post(self.url(path));
        self.answer(self.authorized(request).send_empty())
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server)
    }

    fn authorized<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        match &self.authorization {
            Some(value) => request.header("authorization", value),
            None => request,
        }
    }

    fn answer(&self, outcome: Result<Response<Body>, ureq::Error>) -> Result<Answer, Failure> {
        let unreachable = |error: ureq::Error| Failure::new(format!("{}: {error}", self.server));
        let mut response = outcome.map_err(unreachable)?;
        let text = response.body_mut().read_to_string().map_err(unreachable)?;
        let json: Value = serde_json::from_str(&text).unwrap_or_default();
        if !response.status().is_success() {
            let why = json.get("error").and_then(Value::as_str).unwrap_or("no reason given");
            return Err(Failure::new(format!("the server answers {}: {why}", response.status().as_u16())));
        }
        let tag = response.headers().get("etag").and_then(|tag| tag.to_str().ok()).unwrap_or("*");
        Ok(Answer { json, tag: tag.to_owned() })
    }
}

/// The token of the first line that has one.
fn token(text: &str) -> Option<&str> {
    let line = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#'))?;
    line.split_whitespace().next_back()
}

fn tls(of: &AdminServer) -> Result<TlsConfig, Failure> {
    let builder =
        TlsConfig::builder().unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()));
    let Some(file) = &of.ca else {
        return match of.server.starts_with("https:") {
            true => Err(Failure::new("https needs --ca with the certificates of the authorities to trust")),
            false => Ok(builder.build()),
        };
    };
    let pem = fs::read(file).map_err(|error| Failure::new(format!("--ca: {error}")))?;
    let certificates = parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    Ok(builder.root_certs(RootCerts::from(certificates)).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_file_may_be_the_servers() {
        assert_eq!(token("# ours\n\nops secret\n"), Some("secret"));
        assert_eq!(token("secret\n"), Some("secret"));
        assert_eq!(token("\n"), None);
    }
}
