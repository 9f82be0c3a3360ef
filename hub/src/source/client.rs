//! The way to one source: its limits, its TLS, and where its redirects may lead.
//!
//! Only hosts that the source's configuration names are contacted, and over https any host with a
//! public address that one of them redirects to. Credentials and client certificates stay with the
//! source's own host.

use std::{error::Error, io, sync::Arc, time::Duration};

use flyte_registration_crd::Reason;
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{AUTHORIZATION, LOCATION},
};
use reqwest::Response;
use tokio::time::timeout;
use url::Url;

use super::{
    ConnectionConfig,
    error::Failure,
    names::Authority,
    throttle::{Pause, Throttle},
};

mod build;
mod current;
mod redirect;
mod resolve;
mod trouble;
pub(crate) mod wire;

pub use build::ClientError;
pub(crate) use build::{Proxies, USER_AGENT, authorities, certificates, identity};
use current::Current;
use redirect::{NOT_PUBLIC, REDIRECTS_MAX, Way, way};
use resolve::NotPublic;
pub(crate) use trouble::Trouble;

/// A source's client.
pub(crate) struct Client {
    base: Url,
    name: String,
    current: Current,
    redirect_hosts: Vec<Authority>,
    throttle: Throttle,
    timeout: Duration,
}

/// A request.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) method: Method,
    /// On the source's own host.
    pub(super) url: Url,
    /// Holds no secrets: it goes wherever redirects lead.
    pub(super) headers: HeaderMap,
    /// Shown to the source's own host alone.
    pub(super) authorization: Option<HeaderValue>,
    /// Whether a redirect may lead to another host.
    pub(super) may_leave: bool,
}

/// What a request led to.
pub(super) struct Answer {
    pub(super) response: Response,
    /// Who answered, for messages.
    pub(super) from: String,
    /// It was the source's own host, not one that it redirected to.
    pub(super) own: bool,
}

/// A token service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// On the registry's own host.
    Own,
    /// On one that the configuration names.
    Named,
    /// On one that is known to belong to the registry.
    Known,
}

impl Client {
    /// A client for the source that is called `name` and lies at `base`.
    pub(crate) fn new(
        name: String,
        base: Url,
        connection: &ConnectionConfig,
        proxies: Proxies,
        pause: Arc<Pause>,
    ) -> Result<Self, ClientError> {
        Ok(Self {
            base,
            name,
            current: Current::new(connection, proxies)?,
            redirect_hosts: connection.redirect_hosts.clone(),
            throttle: Throttle::new(connection, pause),
            timeout: connection.timeout,
        })
    }

    /// What the source is called in messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// `url` of the source, on the host to connect to.
    pub(super) fn contact(&self, url: &Url) -> Url {
        let mut contact = self.base.clone();
        contact.set_path(url.path());
        contact.set_query(url.query());
        contact
    }

    /// Where it is.
    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    /// How long it may take to answer, and between two parts of a body.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) fn throttle(&self) -> &Throttle {
        &self.throttle
    }

    /// Sends, and follows where it may be followed. Any status is an answer.
    pub(super) async fn send(&self, outgoing: &Outgoing) -> Result<Answer, Trouble> {
        self.throttle.next_request(&self.name).await?;
        let (mut url, mut next, mut from) = (outgoing.url.clone(), Way::Own, self.name.clone());
        // What comes back from elsewhere is shown nothing either: who is elsewhere chose it.
        let mut left = false;
        let clients = self.current.clients();
        for _ in 0..=REDIRECTS_MAX {
            let client = match next {
                Way::Own if !left => &clients.own,
                Way::Own | Way::Named => &clients.named,
                Way::Public => &clients.public,
            };
            let mut request = client.request(outgoing.method.clone(), url.clone());
            request = request.headers(outgoing.headers.clone());
            if let Some(header) = outgoing.authorization.as_ref().filter(|_| !left) {
                request = request.header(AUTHORIZATION, header);
            }
            let sent = request.send();
            let response =
                self.in_time(async { sent.await.map_err(|error| self.broken(&from, error)) });
            let response = response.await?;
            let Some(target) = target(&response, &url) else {
                let own = next == Way::Own && !left;
                return Ok(Answer {
                    response,
                    from,
                    own,
                });
            };
            url = target?;
            next = way(&self.base, &url, outgoing.may_leave, &self.redirect_hosts)
                .map_err(|why| self.not_followed(&url, why))?;
            if next != Way::Own {
                left = true;
                let host = url.host_str().unwrap_or_default();
                from = format!("{host}, where {} keeps its packages,", self.name);
            }
        }
        Err(self
            .not_followed(&url, "there are too many redirects")
            .into())
    }

    /// Asks a token service, whose redirects are not followed.
    pub(super) async fn ask(
        &self,
        url: Url,
        service: Service,
        authorization: Option<HeaderValue>,
    ) -> Result<Answer, Trouble> {
        let clients = self.current.clients();
        let client = match service {
            Service::Own => clients.own,
            Service::Named => clients.named,
            Service::Known => clients.public,
        };
        if service == Service::Own {
            self.throttle.next_request(&self.name).await?;
        }
        let from = format!("the token service of {}", self.name);
        let mut request = client.get(url);
        if let Some(header) = authorization {
            request = request.header(AUTHORIZATION, header);
        }
        let sent = request.send();
        let response =
            self.in_time(async { sent.await.map_err(|error| Trouble::of(&from, error)) });
        Ok(Answer {
            response: response.await?,
            own: service == Service::Own,
            from,
        })
    }

    /// What an answer other than success means for the one who asked for `what`. Where the source
    /// asks for patience, nobody else asks it until then.
    pub(super) async fn refusal(&self, answer: Answer, what: &str) -> Failure {
        let own = answer.own;
        let failure = wire::refusal(answer.response, what, &answer.from).await;
        if own && (failure.reason == Reason::RateLimited || failure.retry_after.is_some()) {
            self.throttle.pause(failure.retry_after);
        }
        failure
    }

    /// `work`, unless the source takes too long over it.
    pub(super) async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Trouble> {
        let late = |_| Trouble::Final(Failure::timed_out(&self.name, self.timeout));
        timeout(self.timeout, work).await.map_err(late)?
    }

    fn broken(&self, from: &str, error: reqwest::Error) -> Trouble {
        if is_not_public(&error) {
            let url = error.url().cloned();
            return match url {
                Some(url) => self.not_followed(&url, NOT_PUBLIC).into(),
                None => Trouble::of(from, error),
            };
        }
        Trouble::of(from, error)
    }

    /// The path and the query of a redirect may be signed, which makes them credentials.
    fn not_followed(&self, url: &Url, why: &str) -> Failure {
        let host = url.host_str().unwrap_or("nowhere");
        let message = format!(
            "{} redirects to {}, where the hub does not follow: {why}",
            self.name,
            super::error::quoted(host)
        );
        Failure::new(Reason::SourceUnavailable, message)
    }
}

/// Where a redirect leads.
fn target(response: &Response, from: &Url) -> Option<Result<Url, Failure>> {
    let redirects = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let location = response.headers().get(LOCATION).filter(|_| redirects)?;
    let nowhere = || {
        let message = "the source redirects to what is no URL";
        Failure::new(Reason::SourceUnavailable, message)
    };
    let target = location
        .to_str()
        .ok()
        .and_then(|location| from.join(location).ok());
    Some(target.ok_or_else(nowhere))
}

/// Whether the client did not connect for want of a public address.
fn is_not_public(error: &reqwest::Error) -> bool {
    let mut next = error.source();
    while let Some(error) = next {
        let inner = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        if inner
            .and_then(|inner| inner.downcast_ref::<NotPublic>())
            .is_some()
        {
            return true;
        }
        next = error.source();
    }
    false
}
