//! The certificate in force follows its files, and nothing else.

use std::fs;

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::{
    ClientConfig, ClientConnection, ConnectionCommon, NamedGroup, ServerConnection,
    crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs::kx_group},
};

use super::*;

fn pair() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

fn write(files: &TlsFiles, pair: &CertifiedKey<KeyPair>) {
    fs::write(&files.cert, pair.cert.pem()).unwrap();
    fs::write(&files.key, pair.signing_key.serialize_pem()).unwrap();
}

fn files(folder: &tempfile::TempDir) -> TlsFiles {
    TlsFiles { cert: folder.path().join("cert.pem"), key: folder.path().join("key.pem"), clients: None }
}

#[test]
fn changed_files_are_taken_over_and_bad_ones_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(&folder);
    write(&files, &pair());
    let tls = Tls::load(files.clone()).unwrap();
    let first = tls.config();
    assert_eq!(tls.refresh(), Ok(false));

    fs::write(&files.key, pair().signing_key.serialize_pem()).unwrap();
    assert!(tls.refresh().unwrap_err().message().contains("cannot be used"));
    assert_eq!(tls.refresh(), Ok(false), "the same bad files are reported once");
    assert!(Arc::ptr_eq(&first, &tls.config()));

    write(&files, &pair());
    assert_eq!(tls.refresh(), Ok(true));
    assert!(!Arc::ptr_eq(&first, &tls.config()));
}

#[test]
fn what_is_wrong_with_the_files_is_said_without_their_paths() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(&folder);
    let error = |files: &TlsFiles| Tls::load(files.clone()).err().unwrap().message().to_owned();
    assert!(error(&files).starts_with("the TLS certificate cannot be read"));
    assert!(!error(&files).contains("cert.pem"));
    write(&files, &pair());
    fs::write(&files.cert, "nothing").unwrap();
    assert_eq!(error(&files), "the TLS certificate file holds no PEM certificate");
    write(&files, &pair());
    fs::write(&files.key, "nothing").unwrap();
    assert_eq!(error(&files), "the TLS key file holds no PEM private key");
}

/// Hands over what one side has to say.
fn say<A, B>(from: &mut ConnectionCommon<A>, to: &mut ConnectionCommon<B>) {
    let mut wire = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut wire).unwrap();
    }
    let mut wire = &wire[..];
    while !wire.is_empty() {
        to.read_tls(&mut wire).unwrap();
        to.process_new_packets().unwrap();
    }
}

/// How the server agrees on keys with a client that knows these ways.
fn agreed(kx_groups: Vec<&'static dyn SupportedKxGroup>) -> NamedGroup {
    let folder = tempfile::tempdir().unwrap();
    let (files, pair) = (files(&folder), pair());
    write(&files, &pair);
    let mut roots = RootCertStore::empty();
    roots.add(pair.cert.der().clone()).unwrap();
    let provider = CryptoProvider { kx_groups, ..aws_lc_rs::default_provider() };
    let client = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut client = ClientConnection::new(Arc::new(client), "localhost".try_into().unwrap()).unwrap();
    let mut server = ServerConnection::new(Tls::load(files).unwrap().config()).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        say(&mut client, &mut server);
        say(&mut server, &mut client);
    }
    server.negotiated_key_exchange_group().unwrap().name()
}

#[test]
fn keys_are_agreed_on_with_ml_kem_where_the_client_can_and_without_it_where_not() {
    assert_eq!(agreed(aws_lc_rs::default_provider().kx_groups), NamedGroup::X25519MLKEM768);
    assert_eq!(agreed(vec![kx_group::X25519]), NamedGroup::X25519);
    assert_eq!(agreed(vec![kx_group::SECP256R1]), NamedGroup::secp256r1);
}
