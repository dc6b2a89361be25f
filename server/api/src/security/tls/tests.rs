//! The certificate in force follows its files, and nothing else.

use std::fs;

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};

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
