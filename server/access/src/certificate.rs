//! Client certificates: TLS has checked whose authority signed them; here it counts whom they name.

use x509_parser::{extensions::GeneralName, prelude::*};

use crate::{caller::Caller, pattern::Pattern};

/// Rules in the file's order; the first that fits counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Certificates(pub(crate) Vec<(Pattern, Caller)>);

impl Certificates {
    /// Who a certificate of these names is.
    pub(crate) fn holder(&self, names: &[String]) -> Option<Caller> {
        let mut rules = self.0.iter();
        rules
            .find(|(identity, _)| names.iter().any(|name| identity.fits(name)))
            .map(|(_, caller)| caller.clone())
    }
}

/// The names of a certificate (DER): its alternative names (DNS, URI, e-mail) or, where it has none, its common name
/// (RFC 6125, 6.4.4).
pub fn certificate_names(der: &[u8]) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return Vec::new() };
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let names = alternative.iter().flat_map(|names| &names.value.general_names);
    let names: Vec<String> = names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) | GeneralName::URI(name) | GeneralName::RFC822Name(name) => {
                Some((*name).to_owned())
            }
            _ => None,
        })
        .collect();
    if !names.is_empty() {
        return names;
    }
    let common = certificate.subject().iter_common_name();
    common.filter_map(|name| name.as_str().ok().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};

    use super::*;

    fn names(common: &str, alternative: Vec<SanType>) -> Vec<String> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common);
        params.subject_alt_names = alternative;
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        certificate_names(certificate.der())
    }

    #[test]
    fn alternative_names_come_before_the_common_one() {
        assert_eq!(names("oss", Vec::new()), ["oss"]);
        let uri = SanType::URI("spiffe://telco/oss".try_into().unwrap());
        let dns = SanType::DnsName("oss.telco".try_into().unwrap());
        assert_eq!(names("admin", vec![uri, dns]), ["spiffe://telco/oss", "oss.telco"]);
        assert!(certificate_names(b"no certificate").is_empty());
    }
}
