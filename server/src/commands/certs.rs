//! `girandole certs`: a development certificate authority and a server certificate signed by it.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process::ExitCode,
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};

use super::{Failure, Outcome, output::say};
use crate::cli::CertsOptions;

/// A certificate authority's certificate, and a server's certificate with its key; all PEM.
pub(crate) struct Certs {
    pub(crate) ca: String,
    pub(crate) server: String,
    pub(crate) server_key: String,
    /// A client's certificate and key, where one was asked for.
    pub(crate) client: Option<(String, String)>,
}

pub(crate) fn run(options: &CertsOptions) -> Outcome {
    let certs = make(&options.names, options.client.as_deref())?;
    fs::create_dir_all(&options.folder)?;
    write(&options.folder.join("ca.pem"), &certs.ca, options.force)?;
    write(&options.folder.join("server.pem"), &certs.server, options.force)?;
    write(&options.folder.join("server-key.pem"), &certs.server_key, options.force)?;
    if let Some((certificate, key)) = &certs.client {
        write(&options.folder.join("client.pem"), certificate, options.force)?;
        write(&options.folder.join("client-key.pem"), key, options.force)?;
    }
    let folder = options.folder.display();
    say!(
        "wrote {folder}/ca.pem, {folder}/server.pem and {folder}/server-key.pem for {}",
        options.names.join(", ")
    );
    say!("serve:   girandole serve --tls-cert {folder}/server.pem --tls-key {folder}/server-key.pem ...");
    say!("request: curl --cacert {folder}/ca.pem https://localhost:8000/v2");
    say!(
        "These are for development: the authority's key is thrown away, so no further certificate can be signed."
    );
    Ok(ExitCode::SUCCESS)
}

/// Makes the certificates; the server's is for `names` (host names and addresses).
pub(crate) fn make(names: &[String], client: Option<&str>) -> Result<Certs, rcgen::Error> {
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(DnType::CommonName, "Girandole development CA");
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca_cert = ca.self_signed(&ca_key)?;
    let issuer = Issuer::new(ca, ca_key);

    let server_key = KeyPair::generate()?;
    let mut server = CertificateParams::new(names.to_vec())?;
    server.distinguished_name.push(DnType::CommonName, names.first().map_or("localhost", String::as_str));
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    server.use_authority_key_identifier_extension = true;
    let server_cert = server.signed_by(&server_key, &issuer)?;
    Ok(Certs {
        ca: ca_cert.pem(),
        server: server_cert.pem(),
        server_key: server_key.serialize_pem(),
        client: client.map(|name| client_of(name, &issuer)).transpose()?,
    })
}

/// A client's certificate, with its name as the common one.
fn client_of(name: &str, issuer: &Issuer<'_, KeyPair>) -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut client = CertificateParams::default();
    client.distinguished_name = DistinguishedName::new();
    client.distinguished_name.push(DnType::CommonName, name);
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    client.use_authority_key_identifier_extension = true;
    let certificate = client.signed_by(&key, issuer)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// Writes a file that only its owner reads.
fn write(path: &Path, contents: &str, force: bool) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    if force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let failure = |error| {
        Failure::new(format!("{}: {error}; --force writes over files that are there", path.display()))
    };
    options.open(path).and_then(|mut file| file.write_all(contents.as_bytes())).map_err(failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_written_once_unless_forced() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = CertsOptions {
            folder: folder.path().join("certs"),
            names: vec!["localhost".into()],
            client: Some("oss".into()),
            force: false,
        };
        assert!(run(&options).is_ok());
        let first = fs::read_to_string(options.folder.join("ca.pem")).unwrap();
        assert!(run(&options).is_err());
        assert_eq!(fs::read_to_string(options.folder.join("ca.pem")).unwrap(), first);
        options.force = true;
        assert!(run(&options).is_ok());
        assert_ne!(fs::read_to_string(options.folder.join("ca.pem")).unwrap(), first);
    }
}
