//! What is refused where signatures are required or files are encrypted, and with what reason.

use std::os::unix::fs::symlink;

use girandole_seal::{ModelKeys, SigningKey};

use super::{super::scan::version_files, *};
use crate::repository::{Signing, encrypt, seal};

/// The example of RFC 8410, section 10.
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
const OTHER: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAkYFKyRwAJNHrssW5JdALmAoQhMuhBUAjjmP/RHr/xiU=\n-----END PUBLIC KEY-----\n";

/// A signed version in a directory of its own, and a server's trust beside it.
struct Case {
    root: tempfile::TempDir,
    trust: Trust,
}

impl Case {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let trust = Trust { trusted_keys: Some(root.path().join("trusted.pem")), ..Trust::default() };
        let case = Self { root, trust };
        case.write("trusted.pem", PUBLIC);
        case.write("1/model.onnx", "the model");
        case.write("1/data/w", "the weights");
        case.sign();
        case
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), text).unwrap();
    }

    fn sign(&self) {
        self.sign_as(Some(("m", 1)));
    }

    fn sign_as(&self, name: Option<(&str, u64)>) {
        let key = SigningKey::from_pem(PRIVATE.as_bytes()).unwrap();
        let name = name.map(|(model, version)| VersionName { model: model.into(), version });
        seal(&self.path("1"), Some(&Signing { key, name })).unwrap();
    }

    fn files(&self) -> Result<Arc<dyn Files>> {
        let files = version_files(&self.path("1")).unwrap();
        let sealed = files.contains_key(DIGEST_FILE);
        let found = FoundVersion { files, sealed, settling: false };
        let name = VersionName { model: "m".into(), version: 1 };
        self.trust.files(&Stored { name, dir: &self.path("1"), found: &found }, "model.onnx")
    }

    fn model(&self) -> Result<String> {
        let text = self.files()?.model().and_then(io::read_to_string);
        text.map_err(|error| Error::invalid(error.to_string()))
    }

    fn refused(&self) -> String {
        self.model().unwrap_err().message().to_owned()
    }
}

#[test]
fn what_is_signed_by_a_trusted_key_is_read() {
    let case = Case::new();
    assert_eq!(case.model().unwrap(), "the model");
    let files = case.files().unwrap();
    assert_eq!(files.beside(Path::new("data/w")).and_then(io::read_to_string).unwrap(), "the weights");
    for outside in ["../trusted.pem", "/etc/hostname", "SHA256SUMS"] {
        assert!(files.beside(Path::new(outside)).is_err(), "{outside}");
    }
}

#[test]
fn another_key_is_refused_until_it_is_trusted_beside_the_old_one() {
    let case = Case::new();
    case.write("trusted.pem", OTHER);
    assert_eq!(
        case.refused(),
        "SHA256SUMS.sig: it is by none of the 1 trusted keys, or what it signs was changed"
    );
    case.write("trusted.pem", &format!("{OTHER}{PUBLIC}"));
    assert_eq!(case.model().unwrap(), "the model");
    case.write("trusted.pem", "nothing");
    assert!(case.refused().contains("the file of trusted keys"));
    assert!(case.trust.check().is_err());
    fs::remove_file(case.path("trusted.pem")).unwrap();
    assert!(case.refused().contains("cannot be read"));
}

#[test]
fn what_is_signed_as_another_version_is_refused() {
    let case = Case::new();
    for (other, shown) in [(("m", 2), "version 2 of model 'm'"), (("n", 1), "version 1 of model 'n'")] {
        case.sign_as(Some(other));
        let why = format!(
            "it is signed as {shown}, and stands here as version 1 of model 'm'; sign it as that (girandole seal --sign)"
        );
        assert_eq!(case.refused(), why);
    }
    // Whoever takes the name out has no signature of what is left.
    let sums = fs::read_to_string(case.path("1/SHA256SUMS")).unwrap();
    let (_, nameless) = sums.split_once("# version: 1\n").unwrap();
    case.write("1/SHA256SUMS", nameless);
    assert!(case.refused().contains("what it signs was changed"));
    case.sign_as(None);
    assert_eq!(case.model().unwrap(), "the model", "one without a name is for any version");
    case.sign_as(Some(("n", 1)));
    let unsigned = Trust::default();
    let found =
        FoundVersion { files: version_files(&case.path("1")).unwrap(), sealed: true, settling: false };
    let name = VersionName { model: "m".into(), version: 1 };
    let stored = Stored { name, dir: &case.path("1"), found: &found };
    assert!(unsigned.files(&stored, "model.onnx").is_ok(), "where no signature counts, its name does not");
}

#[test]
fn without_a_signature_nothing_is_read() {
    let case = Case::new();
    fs::remove_file(case.path("1/SHA256SUMS.sig")).unwrap();
    assert!(case.refused().starts_with("it has no SHA256SUMS.sig, which this server requires"));
    case.sign();
    // Sealing again without the key takes away what was signed before.
    seal(&case.path("1"), None).unwrap();
    assert!(case.refused().starts_with("it has no SHA256SUMS.sig"));
    fs::remove_file(case.path("1/SHA256SUMS")).unwrap();
    assert!(case.refused().starts_with("it has no SHA256SUMS, which this server requires"));
}

#[test]
fn every_change_after_the_signature_is_refused_with_its_reason() {
    type Change = fn(&Case);
    let changes: [(&str, Change); 7] = [
        ("'model.onnx' differs", |case| case.write("1/model.onnx", "another")),
        ("'data/w' is missing", |case| fs::remove_file(case.path("1/data/w")).unwrap()),
        ("'data/more' is not listed", |case| case.write("1/data/more", "")),
        ("what it signs was changed", |case| {
            let sums = fs::read_to_string(case.path("1/SHA256SUMS")).unwrap();
            case.write("1/SHA256SUMS", &format!("{sums}\n"));
        }),
        ("what it signs was changed", |case| {
            case.write("1/model.onnx", "another");
            let signature = fs::read(case.path("1/SHA256SUMS.sig")).unwrap();
            seal(&case.path("1"), None).unwrap();
            fs::write(case.path("1/SHA256SUMS.sig"), signature).unwrap();
        }),
        ("is a link or no regular file", |case| {
            fs::rename(case.path("1/model.onnx"), case.path("elsewhere")).unwrap();
            symlink(case.path("elsewhere"), case.path("1/model.onnx")).unwrap();
        }),
        ("is a link or no regular file", |case| {
            fs::rename(case.path("1/data"), case.path("data")).unwrap();
            symlink(case.path("data"), case.path("1/data")).unwrap();
        }),
    ];
    for (reason, change) in changes {
        let case = Case::new();
        change(&case);
        assert!(case.refused().contains(reason), "{reason}: {}", case.refused());
    }
}

#[test]
fn what_is_put_in_their_place_after_the_check_is_not_read() {
    let case = Case::new();
    let files = case.files().unwrap();
    fs::rename(case.path("1"), case.path("old")).unwrap();
    case.write("1/model.onnx", "an evil model");
    case.write("1/.weights", "x");
    let read = |file: io::Result<Box<dyn Source>>| file.and_then(io::read_to_string);
    assert!(read(files.model()).unwrap_err().to_string().contains("changed after its digest was checked"));
    assert!(read(files.beside(Path::new(".weights"))).is_err());
    // A link to the same bytes is the same bytes.
    fs::remove_dir_all(case.path("1")).unwrap();
    symlink("old", case.path("1")).unwrap();
    assert_eq!(read(files.model()).unwrap(), "the model");
}

#[test]
fn encrypted_versions_are_read_with_their_key_and_signed_as_they_lie_there() {
    let mut case = Case::new();
    let key = "d".repeat(64);
    let keys = ModelKeys::parse(&key).unwrap();
    fs::rename(case.path("1"), case.path("clear")).unwrap();
    encrypt(&case.path("clear"), &case.path("1"), keys.newest()).unwrap();
    case.sign();
    assert!(case.refused().contains("no keys for models"));
    case.write("keys", &"e".repeat(64));
    case.trust.model_keys = Some(KeySource::File(case.path("keys")));
    assert!(case.refused().contains("it is encrypted with the key"));
    case.write("keys", &format!("{}\n{key}", "e".repeat(64)));
    assert_eq!(case.model().unwrap(), "the model");
    let files = case.files().unwrap();
    assert_eq!(files.beside(Path::new("data/w")).and_then(io::read_to_string).unwrap(), "the weights");
    fs::copy(case.path("clear/model.onnx"), case.path("1/model.onnx")).unwrap();
    assert!(case.refused().contains("not listed"));
    case.sign();
    assert!(case.refused().contains("holds both 'model.onnx' and 'model.onnx.enc'"));
    assert!(case.trust.check().is_ok());
}
