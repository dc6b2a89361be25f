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
}
