//! The certificate in force follows its files, and nothing else.

use std::fs;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedKey, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    date_time_ymd, generate_simple_self_signed,
};
use rustls::{
    ClientConfig, ClientConnection, ConnectionCommon, NamedGroup, ServerConnection,
    crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs::kx_group},
};

use rustls_pki_types::UnixTime;

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

/// An authority, and its certificate in PEM.
fn authority(name: &str) -> (Issuer<'static, KeyPair>, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    (Issuer::new(params, key), pem)
}

fn client(issuer: &Issuer<'_, KeyPair>, serial: u64) -> CertificateDer<'static> {
    let mut params = CertificateParams::new(vec!["client".to_owned()]).unwrap();
    params.serial_number = Some(serial.into());
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.signed_by(&KeyPair::generate().unwrap(), issuer).unwrap().der().clone()
}

fn revoked(issuer: &Issuer<'_, KeyPair>, serial: u64) -> String {
    let revoked = RevokedCertParams {
        serial_number: serial.into(),
        revocation_time: date_time_ymd(2026, 1, 1),
        reason_code: None,
        invalidity_date: None,
    };
    let list = CertificateRevocationListParams {
        this_update: date_time_ymd(2026, 1, 1),
        next_update: date_time_ymd(2026, 1, 2),
        crl_number: 1.into(),
        issuing_distribution_point: None,
        revoked_certs: vec![revoked],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    list.signed_by(issuer).unwrap().pem().unwrap()
}

#[test]
fn a_revoked_client_is_refused_and_so_is_one_whose_authority_forgot_its_list() {
    let ((one, one_pem), (other, other_pem)) = (authority("one"), authority("other"));
    let lets_in = |pem: &str, client: &CertificateDer<'_>| {
        verifier(pem.as_bytes(), true).unwrap().verify_client_cert(client, &[], UnixTime::now()).is_ok()
    };
    let (good, bad, foreign) = (client(&one, 6), client(&one, 7), client(&other, 7));
    let both = format!("{one_pem}{other_pem}");
    assert!(lets_in(&both, &bad) && lets_in(&both, &foreign), "without lists all are good");
    let listed = format!("{both}{}", revoked(&one, 7));
    assert!(lets_in(&listed, &good) && !lets_in(&listed, &bad) && !lets_in(&listed, &foreign));
    let all = format!("{listed}{}", revoked(&other, 8));
    assert!(lets_in(&all, &good) && !lets_in(&all, &bad) && lets_in(&all, &foreign));
    let damaged = format!("{both}-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n");
    let why = verifier(damaged.as_bytes(), true).unwrap_err();
    assert!(why.message().contains("revocation list that cannot be used"), "{why}");
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
