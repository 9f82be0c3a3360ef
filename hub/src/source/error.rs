//! Why a package cannot be had.

use std::{error::Error, fmt, io, sync::Arc, time::Duration};

use flyte_registration_crd::{Reason, bounded};

/// Longest text of others (a registry, the TLS library) inside a message, in bytes.
const QUOTED_MAX: usize = 160;

/// A package cannot be had. Displays the package and what the tenant may know; the cause is for
/// the log. Neither holds credentials.
#[derive(Clone, Debug)]
pub struct SourceError {
    pub(super) package: String,
    pub(super) failure: Failure,
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.package, self.failure)
    }
}

impl Error for SourceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.failure.source()
    }
}

impl SourceError {
    /// The reason for the condition.
    pub fn reason(&self) -> Reason {
        self.failure.reason
    }

    /// How long the source asks to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        self.failure.retry_after
    }
}

/// The same before it is known which package it is about: requests that several wait for share
/// their failure.
#[derive(Clone, Debug)]
pub struct Failure {
    pub(super) reason: Reason,
    pub(super) message: String,
    pub(super) retry_after: Option<Duration>,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

impl Failure {
    pub(super) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            retry_after: None,
            cause: None,
        }
    }

    pub(super) fn because(mut self, cause: impl Error + Send + Sync + 'static) -> Self {
        self.cause = Some(Arc::new(cause));
        self
    }

    /// No answer, or not in time.
    pub(super) fn timed_out(host: &str, timeout: Duration) -> Self {
        let seconds = timeout.as_secs_f32();
        Self::new(
            Reason::SourceUnavailable,
            format!("{host} does not answer within {seconds} s"),
        )
    }

    /// A request that got no answer, or half of one.
    pub(super) fn unreachable(host: &str, error: reqwest::Error) -> Self {
        // The URL of a redirect may be signed, which makes it a credential.
        let error = error.without_url();
        let message = if error.is_timeout() {
            format!("{host} does not answer in time")
        } else {
            format!("{host} {}", breakage(&error))
        };
        Self::new(Reason::SourceUnavailable, message).because(error)
    }

    /// The hub's own disk.
    pub(super) fn cache(error: io::Error) -> Self {
        let message = format!("the hub cannot keep packages: {}", error.kind());
        Self::new(Reason::SourceUnavailable, message).because(error)
    }

    /// Whether the hub's own disk is full.
    pub(super) fn is_disk_full(&self) -> bool {
        let cause = self
            .cause
            .as_deref()
            .and_then(|cause| cause.downcast_ref::<io::Error>());
        cause.is_some_and(|io| {
            matches!(
                io.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            )
        })
    }
}

/// What went wrong on the way, in the words of the layer where it went wrong.
pub(super) fn breakage(error: &(dyn Error + 'static)) -> String {
    let mut next = Some(error);
    let mut innermost = String::new();
    while let Some(error) = next {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused) {
            return "refuses the connection".to_owned();
        }
        // An io::Error that wraps another error leaves that one out of its chain.
        let wrapped = io
            .and_then(io::Error::get_ref)
            .map(|inner| inner as &(dyn Error + 'static));
        let tls = wrapped.unwrap_or(error).downcast_ref::<rustls::Error>();
        if let Some(tls) = tls {
            return format!("cannot be trusted: {}", quoted(&tls.to_string()));
        }
        innermost = error.to_string();
        if innermost == "dns error" {
            return "has no address: its name cannot be resolved".to_owned();
        }
        next = error
            .source()
            .or(wrapped.filter(|_| error.source().is_none()));
    }
    format!("broke the connection: {}", quoted(&innermost))
}

/// Text of others, made safe to stand in a message.
pub(super) fn quoted(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    bounded(&text, QUOTED_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_cut_and_has_no_control_characters() {
        let text = quoted(&format!("a\u{1b}[31m\n{}", "x".repeat(1000)));
        assert!(
            text.len() <= QUOTED_MAX && !text.chars().any(char::is_control),
            "{text}"
        );
    }

    #[test]
    fn a_full_disk_is_told_as_the_hubs_own_and_recognized() {
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
            let failure = Failure::cache(kind.into());
            assert_eq!(failure.reason, Reason::SourceUnavailable);
            let message = failure.to_string();
            assert!(
                message.starts_with("the hub cannot keep packages: "),
                "{message}"
            );
            assert!(failure.is_disk_full());
        }
        assert!(!Failure::cache(io::ErrorKind::PermissionDenied.into()).is_disk_full());
    }

    #[test]
    fn tls_errors_are_found_inside_io_errors() {
        let inner = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
        let error = io::Error::other(inner);
        assert!(
            breakage(&error).starts_with("cannot be trusted: "),
            "{}",
            breakage(&error)
        );
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(breakage(&refused), "refuses the connection");
    }
}
