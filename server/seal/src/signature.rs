//! Ed25519 signatures (RFC 8032), detached and as bare bytes, with keys as `openssl` writes them (RFC 8410).

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use girandole_core::{Error, Result};
use rustls_pki_types::pem::{PemObject, SectionKind};
use zeroize::Zeroizing;

/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64;

/// What an Ed25519 public key begins with in DER; its 32 bytes follow (RFC 8410, section 4).
const PUBLIC: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A key to sign with.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// The key in a PEM text, as `openssl genpkey -algorithm ed25519` writes it.
    ///
    /// # Errors
    /// `InvalidArgument` where there is none.
    pub fn from_pem(pem: &[u8]) -> Result<Self> {
        let none = || {
            let wanted = "must hold an Ed25519 private key in PEM, not encrypted";
            Error::invalid(format!("{wanted}; openssl genpkey -algorithm ed25519 makes one"))
        };
        let (kind, der) = <(SectionKind, Vec<u8>)>::from_pem_slice(pem).map_err(|_| none())?;
        let der = Zeroizing::new(der);
        if kind != SectionKind::PrivateKey {
            return Err(none());
        }
        Ed25519KeyPair::from_pkcs8(&der).map(Self).map_err(|_| none())
    }

    /// Signs bytes.
    ///
    /// # Errors
    /// `Internal` where the library fails.
    pub fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        let signature = self.0.try_sign(bytes).map_err(|_| Error::internal("signing failed"))?;
        Ok(signature.as_ref().to_vec())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

/// Public keys of those whose signatures count.
#[derive(Clone, Debug)]
pub struct TrustedKeys(Vec<Vec<u8>>);

impl TrustedKeys {
    /// The keys in a PEM text.
    ///
    /// # Errors
    /// `InvalidArgument` where there is none, or anything else.
    pub fn from_pem(pem: &[u8]) -> Result<Self> {
        let wanted = "must hold Ed25519 public keys in PEM (openssl pkey -in KEY -pubout) and nothing else";
        let keys = <(SectionKind, Vec<u8>)>::pem_slice_iter(pem)
            .map(|section| {
                let (_, key) = section.ok().filter(|(kind, _)| *kind == SectionKind::PublicKey)?;
                (key.starts_with(&PUBLIC) && key.len() == PUBLIC.len() + 32).then_some(key)
            })
            .collect::<Option<Vec<_>>>();
        keys.filter(|keys| !keys.is_empty()).map(Self).ok_or_else(|| Error::invalid(wanted))
    }

    /// Checks that one of them signed these bytes.
    ///
    /// # Errors
    /// `InvalidArgument` where none did.
    pub fn check(&self, bytes: &[u8], signature: &[u8]) -> Result<()> {
        let by = |key: &Vec<u8>| UnparsedPublicKey::new(&ED25519, key).verify(bytes, signature).is_ok();
        match (signature.len(), self.0.iter().any(by)) {
            (SIGNATURE_BYTES, true) => Ok(()),
            (SIGNATURE_BYTES, false) => Err(Error::invalid(format!(
                "it is by none of the {} trusted keys, or what it signs was changed",
                self.0.len()
            ))),
            (came, _) => Err(Error::invalid(format!(
                "it must be the {SIGNATURE_BYTES} bytes of an Ed25519 signature, and has {came}"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 8410, section 10; the signature is by `openssl pkeyutl -sign -rawin`.
    const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    const TRUSTED: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
    const OTHER: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAkYFKyRwAJNHrssW5JdALmAoQhMuhBUAjjmP/RHr/xiU=\n-----END PUBLIC KEY-----\n";
    const SIGNATURE: &str = "95ee6138af3085179b3d6f064dce9c676bef601a490f6eb392f6aeed664ac813fd8a6d7cc925f1e52d01dc04271ccc77549c8eaf7f097391df7a9100a5d74e0b";

    #[test]
    fn a_signature_is_what_openssl_makes_and_any_of_the_keys_will_do() {
        let signature = SigningKey::from_pem(PRIVATE.as_bytes()).unwrap().sign(b"sums\n").unwrap();
        let hex: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, SIGNATURE);
        for pem in [TRUSTED.to_owned(), format!("{OTHER}# rotated in May\n{TRUSTED}")] {
            TrustedKeys::from_pem(pem.as_bytes()).unwrap().check(b"sums\n", &signature).unwrap();
        }
    }

    #[test]
    fn another_key_other_bytes_and_other_signatures_are_refused() {
        let mut signature = SigningKey::from_pem(PRIVATE.as_bytes()).unwrap().sign(b"sums").unwrap();
        let trusted = TrustedKeys::from_pem(TRUSTED.as_bytes()).unwrap();
        let other = TrustedKeys::from_pem(OTHER.as_bytes()).unwrap();
        assert!(other.check(b"sums", &signature).unwrap_err().message().contains("none of the 1"));
        assert!(trusted.check(b"sumS", &signature).is_err());
        let long = [&signature[..], b"\n"].concat();
        assert!(trusted.check(b"sums", &long).unwrap_err().message().contains("has 65"));
        for at in 0..signature.len() {
            signature[at] ^= 1;
            assert!(trusted.check(b"sums", &signature).is_err(), "{at}");
            signature[at] ^= 1;
        }
        trusted.check(b"sums", &signature).unwrap();
    }

    #[test]
    fn files_that_hold_something_else_are_refused() {
        for pem in ["", "nothing", PRIVATE, &format!("{TRUSTED}{PRIVATE}"), &TRUSTED.replace("MCow", "MCov")]
        {
            assert!(TrustedKeys::from_pem(pem.as_bytes()).is_err(), "{pem}");
        }
        for pem in ["", TRUSTED, &PRIVATE.replace("PRIVATE", "ENCRYPTED PRIVATE")] {
            assert!(SigningKey::from_pem(pem.as_bytes()).unwrap_err().message().contains("openssl genpkey"));
        }
    }
}
