//! TLS facts in one place: version 1.3 only, and a certificate that follows its files.
//!
//! Invariant: [`Tls`] always holds a configuration that was whole and fitting; files that are not change
//! nothing.

use std::{fmt::Display, path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use girandole_core::{Error, Result};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    server::{VerifierBuilderError, WebPkiClientVerifier, danger::ClientCertVerifier},
    version::TLS13,
};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, pem::PemObject};

use super::follow::follow;

/// What clients may speak inside.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Where certificate and key are, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate and those that lead to its authority.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Whose certificates clients show; `None` asks for none.
    pub clients: Option<ClientAuth>,
}

/// Which certificates clients show (mutual TLS).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuth {
    /// The authorities that sign them, in PEM, and their revocation lists.
    pub authorities: PathBuf,
    /// Whether one without is turned away in the handshake.
    pub required: bool,
}

#[derive(PartialEq, Eq)]
struct Pem {
    cert: Vec<u8>,
    key: Vec<u8>,
    authorities: Option<Vec<u8>>,
}

/// The TLS configuration in force; clones share it.
#[derive(Clone)]
pub struct Tls(Arc<Shared>);

struct Shared {
    files: TlsFiles,
    config: ArcSwap<ServerConfig>,
    /// What `config` was made of, or what was last found wanting.
    seen: ArcSwap<Pem>,
}

impl Tls {
    /// Reads certificate and key.
    ///
    /// # Errors
    /// `InvalidArgument` where a file cannot be read, is no PEM, or the key does not fit the certificate.
    pub fn load(files: TlsFiles) -> Result<Self> {
        let pem = read(&files)?;
        let config = ArcSwap::from_pointee(configuration(&files, &pem)?);
        Ok(Self(Arc::new(Shared { files, config, seen: ArcSwap::from_pointee(pem) })))
    }

    /// The configuration for the next handshake.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.0.config.load_full()
    }

    /// Takes over the files where they changed; true if they did.
    ///
    /// # Errors
    /// As [`Self::load`]; the configuration in force stays.
    pub fn refresh(&self) -> Result<bool> {
        let pem = read(&self.0.files)?;
        if pem == **self.0.seen.load() {
            return Ok(false);
        }
        let config = configuration(&self.0.files, &pem);
        self.0.seen.store(Arc::new(pem));
        self.0.config.store(Arc::new(config?));
        Ok(true)
    }

    /// Looks at the files every so often, for ever.
    pub(crate) async fn follow(self, every: Duration) {
        follow("the TLS certificate", every, move || self.refresh()).await;
    }
}

fn read(files: &TlsFiles) -> Result<Pem> {
    let read = |what: &str, path| {
        std::fs::read(path).map_err(|error| Error::invalid(format!("the TLS {what} cannot be read: {error}")))
    };
    let authorities =
        files.clients.as_ref().map(|clients| read("clients' authorities", &clients.authorities));
    Ok(Pem {
        cert: read("certificate", &files.cert)?,
        key: read("key", &files.key)?,
        authorities: authorities.transpose()?,
    })
}

fn configuration(files: &TlsFiles, pem: &Pem) -> Result<ServerConfig> {
    let certs = CertificateDer::pem_slice_iter(&pem.cert).collect::<Result<Vec<_>, _>>();
    let certs = certs.ok().filter(|certs| !certs.is_empty());
    let certs = certs.ok_or_else(|| Error::invalid("the TLS certificate file holds no PEM certificate"))?;
    let key = PrivateKeyDer::from_pem_slice(&pem.key)
        .map_err(|_| Error::invalid("the TLS key file holds no PEM private key"))?;
    let unfit = |error| Error::invalid(format!("the TLS certificate and key cannot be used: {error}"));
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .map_err(unfit)?;
    let builder = match (&files.clients, &pem.authorities) {
        (Some(clients), Some(pem)) => builder.with_client_cert_verifier(verifier(pem, clients.required)?),
        _ => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(certs, key).map_err(unfit)?;
    config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
    Ok(config)
}

/// Checks that clients' certificates are signed by these authorities, in time, and where there are revocation lists
/// (RFC 5280), on none. Then each authority needs one, so that none is forgotten; one that is past its time counts.
fn verifier(pem: &[u8], required: bool) -> Result<Arc<dyn ClientCertVerifier>> {
    let unfit = || Error::invalid("the file of clients' authorities holds no PEM certificate of one");
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(pem) {
        roots.add(authority.map_err(|_| unfit())?).map_err(|_| unfit())?;
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = if required { builder } else { builder.allow_unauthenticated() };
    let unread = |error: &dyn Display| {
        Error::invalid(format!(
            "the file of clients' authorities holds a revocation list that cannot be used: {error}"
        ))
    };
    let lists = CertificateRevocationListDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let builder = builder.with_crls(lists.map_err(|error| unread(&error))?);
    builder.build().map_err(|error| match error {
        error @ VerifierBuilderError::InvalidCrl(_) => unread(&error),
        _ => unfit(),
    })
}

#[cfg(test)]
mod tests;
