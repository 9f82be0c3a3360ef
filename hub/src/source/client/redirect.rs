//! Where a redirect may lead. Pure.

use std::net::IpAddr;

use url::{Host, Url};

use crate::source::{address::is_public, names::Authority};

/// Most redirects in a row.
pub(super) const REDIRECTS_MAX: usize = 4;

/// How the next address is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// It is the source's own, which gets its credentials.
    Own,
    /// The source's configuration names it: any address will do.
    Named,
    /// Some host, which must have a public address.
    Public,
}

/// How to ask `next`, where the source at `own` redirects to. The error says why not.
///
/// Whoever controls the answer of a source would otherwise choose what the hub asks in its own
/// network, where much is open to who can reach it.
pub(super) fn way(
    own: &Url,
    next: &Url,
    may_leave: bool,
    named: &[Authority],
) -> Result<Way, &'static str> {
    if !next.username().is_empty() || next.password().is_some() {
        return Err("it names a user");
    }
    if next.origin() == own.origin() {
        return Ok(Way::Own);
    }
    if !may_leave {
        return Err("only packages may lie on another host");
    }
    if next.scheme() != "https" {
        return Err("another host must speak https");
    }
    let authority = authority(next).ok_or("it names no host")?;
    if named.iter().any(|named| full(named.as_str()) == authority) {
        return Ok(Way::Named);
    }
    match next.host() {
        Some(Host::Ipv4(address)) if !is_public(IpAddr::V4(address)) => Err(NOT_PUBLIC),
        Some(Host::Ipv6(address)) if !is_public(IpAddr::V6(address)) => Err(NOT_PUBLIC),
        _ => Ok(Way::Public),
    }
}

/// Why an address that is not public is not asked.
pub(super) const NOT_PUBLIC: &str = "its address is not public, and redirectHosts does not name it";

/// `host:port`, the port always there.
fn authority(url: &Url) -> Option<String> {
    Some(format!(
        "{}:{}",
        url.host_str()?,
        url.port_or_known_default()?
    ))
}

fn full(authority: &str) -> String {
    if authority.contains(':') {
        authority.to_owned()
    } else {
        format!("{authority}:443")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(next: &str, may_leave: bool) -> Result<Way, &'static str> {
        let own = Url::parse("https://registry.example/v2/").unwrap();
        let named = ["blobs.internal".to_owned(), "10.0.0.7:9000".to_owned()];
        let named = named.map(|text| Authority::try_from(text).unwrap());
        way(&own, &own.join(next).unwrap(), may_leave, &named)
    }

    #[test]
    fn redirect_on_the_same_host_keeps_its_credentials() {
        for next in [
            "/elsewhere",
            "https://registry.example:443/x",
            "https://REGISTRY.example/x",
        ] {
            assert_eq!(judge(next, false), Ok(Way::Own), "{next}");
        }
        for next in [
            "http://registry.example/x",
            "https://registry.example:8443/x",
        ] {
            assert!(judge(next, false).is_err(), "{next}");
        }
        assert_eq!(
            judge("https://registry.example:8443/x", true),
            Ok(Way::Public)
        );
    }

    #[test]
    fn redirect_to_another_host_needs_https_and_a_public_address() {
        assert_eq!(
            judge("https://bucket.s3.amazonaws.com/x?sig", true),
            Ok(Way::Public)
        );
        assert_eq!(judge("https://1.1.1.1/x", true), Ok(Way::Public));
        for next in [
            "http://bucket.s3.amazonaws.com/x",
            "ftp://bucket.example/x",
            "https://user:password@bucket.example/x",
            "https://user@registry.example/x",
            "file:///etc/passwd",
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f.0.0.1/",
            "https://169.254.169.254/latest/meta-data/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[fd00::1]/",
            "https://10.0.0.7/",
            "https://10.0.0.7:9001/",
        ] {
            assert!(judge(next, true).is_err(), "{next}");
        }
        assert!(judge("https://bucket.s3.amazonaws.com/x", false).is_err());
    }

    #[test]
    fn redirect_to_a_named_host_may_be_private() {
        assert_eq!(judge("https://blobs.internal/x", true), Ok(Way::Named));
        assert_eq!(judge("https://10.0.0.7:9000/x", true), Ok(Way::Named));
        assert_eq!(
            judge("https://blobs.internal:8443/x", true),
            Ok(Way::Public),
            "its address decides"
        );
        assert!(judge("http://blobs.internal/x", true).is_err());
    }
}
