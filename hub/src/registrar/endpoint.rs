//! Where a FlyteAdmin is, and the channel to it.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use thiserror::Error;
use tonic::transport::{Endpoint, Uri};

use self::tls::Tls;
use super::{AuthConfigError, FlyteAdminConfig};
use crate::source::ClientError;

mod channels;
mod dial;
mod tls;
mod turns;

pub(super) use channels::Channels;

/// FlyteAdmin answers conflicts with 32,000 bytes of text and as much of details in its
/// trailers, and resets the stream of a client that announces less room. hyper's default is 16 KiB.
const HEADER_LIST_BYTES: u32 = 1 << 20;
/// How long a probe of a silent connection waits for its answer.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the configuration of a FlyteAdmin cannot be used.
#[derive(Debug, Error)]
pub enum EndpointError {
    /// Not one of the forms that are understood.
    #[error(
        "endpoint {0:?} must be host:port, dns:///host:port, https://host:port or, if insecure, http://host:port"
    )]
    Form(String),
    /// The scheme says one thing, `insecure` another.
    #[error("endpoint {endpoint:?} contradicts insecure: {insecure}")]
    Contradiction {
        /// The endpoint.
        endpoint: String,
        /// What `insecure` is.
        insecure: bool,
    },
    /// Nothing may be in flight, or for no time.
    #[error("{0} must be more than zero")]
    Zero(&'static str),
    /// Certificates for a connection that has none.
    #[error("caFile is given, but insecure is set")]
    CaWithoutTls,
    /// A file of certificates or keys cannot be read.
    #[error("{} cannot be read", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file of certificates or keys holds none.
    #[error("{} is no PEM file with what it should hold", .path.display())]
    Pem {
        /// The file.
        path: PathBuf,
    },
    /// The certificates cannot be used.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// The system trusts nobody, and there is no caFile.
    #[error("the system has no certificates to trust, and there is no caFile")]
    NoRoots,
    /// Half of a client certificate, or one for a connection that has none.
    #[error("certFile and keyFile need each other, and TLS")]
    Identity,
    /// The authentication cannot work.
    #[error(transparent)]
    Auth(#[from] AuthConfigError),
    /// The certificates cannot be used for the token endpoint.
    #[error("caFile cannot be used for the token endpoint")]
    Certificates(#[source] ClientError),
    /// There can be no client for the token endpoint.
    #[error("tokens cannot be asked for")]
    TokenClient(#[source] reqwest::Error),
    /// The transport refuses the endpoint or the certificates.
    #[error("the endpoint cannot be used")]
    Transport(#[source] tonic::transport::Error),
}

impl FlyteAdminConfig {
    /// Checks what can be checked without touching a file or the network.
    pub fn check(&self) -> Result<(), EndpointError> {
        if self.max_in_flight == 0 {
            return Err(EndpointError::Zero("maxInFlight"));
        }
        if self.call_timeout.is_zero() {
            return Err(EndpointError::Zero("callTimeout"));
        }
        if self.insecure && self.ca_file.is_some() {
            return Err(EndpointError::CaWithoutTls);
        }
        if self.cert_file.is_some() != self.key_file.is_some()
            || self.insecure && self.cert_file.is_some()
        {
            return Err(EndpointError::Identity);
        }
        if let Some(auth) = &self.auth {
            auth.check(self.insecure)?;
        }
        uri(&self.endpoint, self.insecure).map(drop)
    }
}

/// Channels to all addresses of the endpoint, which connect on their first call.
pub(super) fn channels(config: &FlyteAdminConfig) -> Result<Channels, EndpointError> {
    config.check()?;
    let uri = uri(&config.endpoint, config.insecure)?;
    let form = || EndpointError::Form(config.endpoint.clone());
    let host = uri.host().ok_or_else(form)?.to_owned();
    let port = uri
        .port_u16()
        .unwrap_or(if config.insecure { 80 } else { 443 });
    let tls = if config.insecure {
        None
    } else {
        let tls = Tls::new(config, &host).ok_or_else(form)?;
        // What cannot be used now is told now; later it is told by the calls.
        tls.connector()?;
        Some(Arc::new(tls))
    };
    let endpoint = endpoint(config, uri)?;
    Ok(Channels::new(host, port, endpoint, tls))
}

/// How to speak to each of the addresses.
fn endpoint(config: &FlyteAdminConfig, uri: Uri) -> Result<Endpoint, EndpointError> {
    // The scheme of the URI would ask for tonic's own TLS, which reads certificates once
    // only. That of the origin is what FlyteAdmin sees.
    let mut parts = uri.clone().into_parts();
    parts.scheme = Some(http::uri::Scheme::HTTP);
    let plain = Uri::from_parts(parts).map_err(|_| EndpointError::Form(config.endpoint.clone()))?;
    let endpoint = Endpoint::from(plain)
        .origin(uri)
        .user_agent(concat!(
            "flyte-registration-hub/",
            env!("CARGO_PKG_VERSION")
        ))
        .map_err(EndpointError::Transport)?
        .http2_max_header_list_size(HEADER_LIST_BYTES)
        .http2_adaptive_window(true)
        // Go servers hang up on clients that probe more than twice without a call of theirs
        // being answered: late enough that one call makes one probe, never while idle.
        .http2_keep_alive_interval(config.call_timeout.mul_f32(0.6))
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(false);
    Ok(endpoint)
}

/// The URI to connect to. The forms are those of flytectl's `admin.endpoint`, and URLs.
fn uri(endpoint: &str, insecure: bool) -> Result<Uri, EndpointError> {
    let (scheme, authority) = if let Some(rest) = endpoint.strip_prefix("dns:///") {
        (None, rest)
    } else if let Some(rest) = endpoint.strip_prefix("https://") {
        (Some(false), rest)
    } else if let Some(rest) = endpoint.strip_prefix("http://") {
        (Some(true), rest)
    } else {
        (None, endpoint)
    };
    if scheme.is_some_and(|plaintext| plaintext != insecure) {
        return Err(EndpointError::Contradiction {
            endpoint: endpoint.to_owned(),
            insecure,
        });
    }
    let form = || EndpointError::Form(endpoint.to_owned());
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    if authority.is_empty() || authority.starts_with(':') || !authority.chars().all(plain) {
        return Err(form());
    }
    let scheme = if insecure { "http" } else { "https" };
    Uri::builder()
        .scheme(scheme)
        .authority(authority)
        .path_and_query("/")
        .build()
        .map_err(|_| form())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_endpoints() {
        for (endpoint, insecure, expected) in [
            ("flyteadmin:81", true, "http://flyteadmin:81/"),
            (
                "flyteadmin.flyte.svc:81",
                false,
                "https://flyteadmin.flyte.svc:81/",
            ),
            (
                "dns:///flyte.acme.example",
                false,
                "https://flyte.acme.example/",
            ),
            ("dns:///127.0.0.1:8089", true, "http://127.0.0.1:8089/"),
            ("[::1]:8089", true, "http://[::1]:8089/"),
            (
                "https://flyte.acme.example:443/",
                false,
                "https://flyte.acme.example:443/",
            ),
            ("http://localhost:8089", true, "http://localhost:8089/"),
        ] {
            assert_eq!(uri(endpoint, insecure).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn plaintext_only_where_configured() {
        for (endpoint, insecure) in [
            ("http://flyteadmin:81", false),
            ("https://flyteadmin", true),
        ] {
            let error = uri(endpoint, insecure).unwrap_err();
            assert!(
                matches!(error, EndpointError::Contradiction { .. }),
                "{endpoint}"
            );
        }
    }

    #[test]
    fn not_an_endpoint() {
        for endpoint in [
            "",
            ":81",
            "dns:///",
            "dns://8.8.8.8/flyteadmin",
            "a b:1",
            "https://a/b",
            "user@a:1",
            "ftp://a",
            "a:b:c",
        ] {
            assert!(
                matches!(uri(endpoint, false), Err(EndpointError::Form(_))),
                "{endpoint}"
            );
        }
    }
}
