//! Whether a listener may be opened: everything but loopback needs TLS, or a word that it shall be so.

use std::net::IpAddr;

use girandole_core::{Error, Result};

/// Whether a listener on `address` may be opened.
///
/// # Errors
/// `InvalidArgument` for an address that others can reach, without TLS and without `insecure`.
pub fn exposure(address: IpAddr, tls: bool, insecure: bool) -> Result<()> {
    if address.to_canonical().is_loopback() || tls || insecure {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{address} can be reached from other machines: give --tls-cert and --tls-key, or --insecure to serve \
         without encryption"
    )))
}

/// Whether a listener for administration on `address` may be opened.
///
/// # Errors
/// `InvalidArgument` for an address that others can reach, without tokens, or as [`exposure`] has it.
pub fn admin_exposure(address: IpAddr, tokens: bool, tls: bool, insecure: bool) -> Result<()> {
    if !address.to_canonical().is_loopback() && !tokens {
        return Err(Error::invalid(format!(
            "{address} can be reached from other machines: give --access-file or --admin-token-file, or listen on \
             127.0.0.1"
        )));
    }
    exposure(address, tls, insecure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_goes_without_tls() {
        let table = [
            ("127.0.0.1", false, false, true),
            ("127.8.0.1", false, false, true),
            ("::1", false, false, true),
            ("::ffff:127.0.0.1", false, false, true),
            ("0.0.0.0", false, false, false),
            ("::", false, false, false),
            ("10.0.0.1", false, false, false),
            ("::ffff:10.0.0.1", false, false, false),
            ("0.0.0.0", true, false, true),
            ("0.0.0.0", false, true, true),
        ];
        for (address, tls, insecure, fine) in table {
            let address = address.parse().unwrap();
            assert_eq!(exposure(address, tls, insecure).is_ok(), fine, "{address} {tls} {insecure}");
        }
    }

    #[test]
    fn administration_beyond_loopback_needs_tokens_too() {
        let table = [
            ("127.0.0.1", false, false, false, true),
            ("::1", false, true, false, true),
            ("0.0.0.0", false, true, true, false),
            ("0.0.0.0", true, false, false, false),
            ("0.0.0.0", true, true, false, true),
            ("0.0.0.0", true, false, true, true),
        ];
        for (address, tokens, tls, insecure, fine) in table {
            let allowed = admin_exposure(address.parse().unwrap(), tokens, tls, insecure);
            assert_eq!(allowed.is_ok(), fine, "{address} {tokens} {tls} {insecure}");
        }
    }
}
