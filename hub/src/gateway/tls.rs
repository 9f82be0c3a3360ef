//! TLS for agents: the hub's certificate, and theirs.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, UnixTime},
};

use crate::{
    config,
    identity::{Lifetime, Refusal},
    tls::{Port, ServerTls, TlsError},
};

/// The configuration of TLS as the files have it now.
#[derive(Debug)]
pub struct Tls(ServerTls);

impl Tls {
    /// Reads the files.
    pub fn load(files: &config::Tls) -> Result<Self, TlsError> {
        let port = Port {
            name: "the certificates of listen.tls",
            files: files.clone(),
            // An agent may show a token instead: who it is, is decided later.
            optional: true,
            protocol: "h2",
        };
        ServerTls::load(port).map(Self)
    }

    /// Looks at the files now, for whoever knows that they changed.
    pub(crate) fn look_now(&self) {
        self.0.look_now();
    }

    /// What a new connection is served with.
    pub(super) fn server(&self) -> Arc<ServerConfig> {
        self.0.server()
    }

    /// Verifies an agent's certificate by the authorities of now: its connection may be old. Returns
    /// how long it is good, if it is not for all of `horizon`.
    pub(super) fn verify(
        &self,
        certificates: &[CertificateDer<'_>],
        now: Timestamp,
        horizon: Duration,
    ) -> Result<Option<Lifetime>, Refusal> {
        let untrusted = |why: String| Refusal::CertificateUntrusted(why);
        let (Some(agents), Some((leaf, chain))) = (self.0.clients(), certificates.split_first())
        else {
            return Err(untrusted("no authorities are configured".to_owned()));
        };
        let start = now.duration_since(Timestamp::UNIX_EPOCH).unsigned_abs();
        let at = |later: Duration| {
            let at = UnixTime::since_unix_epoch(start + later);
            agents.verify_client_cert(leaf, chain, at)
        };
        at(Duration::ZERO).map_err(|error| untrusted(error.to_string()))?;
        let expires = last_second(horizon, |later| at(later).is_ok());
        Ok(expires.map(|later| Lifetime {
            issued: now,
            expires: now + later,
        }))
    }
}

/// The last second at which it holds, if it does not hold at `horizon`. It holds at the start, and
/// never again once it does not: so no certificate of the chain has to be taken apart.
fn last_second(horizon: Duration, holds: impl Fn(Duration) -> bool) -> Option<Duration> {
    if holds(horizon) {
        return None;
    }
    let (mut good, mut bad) = (0, horizon.as_secs());
    while good + 1 < bad {
        let middle = good.midpoint(bad);
        if holds(Duration::from_secs(middle)) {
            good = middle;
        } else {
            bad = middle;
        }
    }
    Some(Duration::from_secs(good))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_found() {
        let day = Duration::from_hours(24);
        for end in [0, 1, 2, 59, 3600, 86_398, 86_399] {
            let holds = |later: Duration| later.as_secs() <= end;
            assert_eq!(last_second(day, holds), Some(Duration::from_secs(end)));
        }
        assert_eq!(last_second(day, |_| true), None);
    }
}
