//! Digests: what is listed, what differs, and what changes between the check and the load.

use std::{fs, io};

use super::{sums::parse, *};

fn verify(dir: &Path) -> Result<Verified> {
    Sums::read(dir)?.verify(dir)
}

fn read(verified: &Verified, path: &str) -> io::Result<String> {
    io::read_to_string(verified.open(path)?)
}

fn sealed() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("model.onnx"), "abc").unwrap();
    fs::create_dir(dir.path().join("data")).unwrap();
    fs::write(dir.path().join("data/w"), "").unwrap();
    seal(dir.path(), None).unwrap();
    dir
}

#[test]
fn what_is_sealed_verifies_and_is_sha256sums_form() {
    let dir = sealed();
    verify(dir.path()).unwrap();
    let text = fs::read_to_string(dir.path().join(DIGEST_FILE)).unwrap();
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  model.onnx";
    assert!(text.contains(abc), "{text}");
    assert_eq!(seal(dir.path(), None).unwrap().len(), 2);
    assert_eq!(version_digest(dir.path()).unwrap(), sha256(text.as_bytes()));
}

#[test]
fn comments_are_passed_over_as_sha256sum_does() {
    let dir = sealed();
    let (path, before) = (dir.path().join(DIGEST_FILE), version_digest(dir.path()).unwrap());
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("# model: m\n# version: 1\n#{text}{text}")).unwrap();
    verify(dir.path()).unwrap();
    let name = VersionName { model: "m".into(), version: 1 };
    assert_eq!(Sums::read(dir.path()).unwrap().name(), Ok(Some(name)));
    assert_eq!(version_digest(dir.path()).unwrap(), before, "a name is none of its files");
}

#[test]
fn every_difference_is_named() {
    let dir = sealed();
    fs::write(dir.path().join("model.onnx"), "abd").unwrap();
    fs::write(dir.path().join("extra"), "").unwrap();
    fs::remove_file(dir.path().join("data/w")).unwrap();
    let error = verify(dir.path()).unwrap_err();
    for part in ["'model.onnx' differs", "'extra' is not listed", "'data/w' is missing"] {
        assert!(error.message().contains(part), "{error}");
    }
}

#[test]
fn lines_that_lead_outside_are_refused() {
    let digest = "0".repeat(64);
    for path in ["../x", "/etc/passwd", "", "a/../../x"] {
        assert!(parse(&format!("{digest}  {path}")).is_err(), "{path}");
    }
    assert!(parse("xyz  model.onnx").is_err());
    assert!(parse(&format!("{digest} *./model.onnx\n\n")).is_ok());
}

#[test]
fn links_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/etc/hostname", dir.path().join("model.onnx")).unwrap();
    assert!(seal(dir.path(), None).unwrap_err().message().contains("link"));
}

#[test]
fn what_changes_after_the_check_is_not_read() {
    let dir = sealed();
    fs::write(dir.path().join(".hidden"), "x").unwrap();
    let verified = verify(dir.path()).unwrap();
    assert_eq!(read(&verified, "model.onnx").unwrap(), "abc");
    assert!(read(&verified, ".hidden").unwrap_err().to_string().contains("not listed"));
    assert_eq!(read(&verified, "none").unwrap_err().kind(), io::ErrorKind::NotFound);
    assert!(read(&verified, "../model.onnx").unwrap_err().to_string().contains("not listed"));
    let open = verified.open("model.onnx").unwrap();
    for other in ["abd", "ab"] {
        fs::write(dir.path().join("model.onnx"), other).unwrap();
        assert!(read(&verified, "model.onnx").unwrap_err().to_string().contains("changed after"), "{other}");
    }
    assert!(io::read_to_string(open).is_err());
    fs::write(dir.path().join("model.onnx"), "abcd").unwrap();
    assert_eq!(read(&verified, "model.onnx").unwrap(), "abc", "what was checked is all that is read");
}

#[test]
fn every_chunk_of_a_large_file_is_compared() {
    let dir = sealed();
    let path = dir.path().join("model.onnx");
    let mut bytes = vec![7; 3 * girandole_seal::CHUNK + 5];
    fs::write(&path, &bytes).unwrap();
    let digests = seal(dir.path(), None).unwrap();
    assert_eq!(digests["model.onnx"], sha256(&bytes));
    let verified = verify(dir.path()).unwrap();
    assert_eq!(read(&verified, "model.onnx").unwrap().len(), bytes.len());
    for at in [0, girandole_seal::CHUNK, bytes.len() - 1] {
        bytes[at] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(read(&verified, "model.onnx").is_err(), "{at}");
        bytes[at] ^= 1;
    }
}
