//! Names that lead to public addresses alone.

use std::{fmt, io, net::SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::source::address::is_public;

/// Resolves as the system does, and leaves out what is not public. The client connects to what
/// comes out of here and nowhere else, so that no second answer of the name server counts.
pub(super) struct PublicOnly {
    /// The proxy, which may be anywhere: the configuration names it.
    pub(super) proxy: Option<String>,
}

/// A name has addresses, and none of them is public.
#[derive(Debug)]
pub(in crate::source) struct NotPublic;

impl fmt::Display for NotPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no public address")
    }
}

impl std::error::Error for NotPublic {}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let is_proxy = self.proxy.as_deref() == Some(name.as_str());
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let addresses = if is_proxy { found } else { public(found)? };
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

fn public(found: Vec<SocketAddr>) -> io::Result<Vec<SocketAddr>> {
    let public: Vec<_> = found
        .into_iter()
        .filter(|address| is_public(address.ip()))
        .collect();
    if public.is_empty() {
        return Err(io::Error::other(NotPublic));
    }
    Ok(public)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirect_names_lose_the_addresses_that_are_not_public() {
        let addresses = |texts: &[&str]| -> Vec<SocketAddr> {
            texts
                .iter()
                .map(|text| SocketAddr::new(text.parse().unwrap(), 0))
                .collect()
        };
        let mixed = addresses(&["10.0.0.1", "1.1.1.1", "::1", "2606:4700::1111"]);
        assert_eq!(
            public(mixed).unwrap(),
            addresses(&["1.1.1.1", "2606:4700::1111"])
        );
        for none in [&["127.0.0.1", "::1"][..], &[]] {
            let error = public(addresses(none)).unwrap_err();
            let inner = error
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<NotPublic>());
            assert!(inner.is_some());
        }
    }

    #[tokio::test]
    async fn redirect_name_of_this_machine_is_resolved_for_a_proxy_alone() {
        let resolve = |proxy: Option<&str>| {
            let resolver = PublicOnly {
                proxy: proxy.map(str::to_owned),
            };
            resolver.resolve("localhost".parse().unwrap())
        };
        assert!(resolve(None).await.is_err());
        assert!(resolve(Some("proxy.example")).await.is_err());
        assert!(
            resolve(Some("localhost"))
                .await
                .is_ok_and(|mut found| found.next().is_some())
        );
    }
}
