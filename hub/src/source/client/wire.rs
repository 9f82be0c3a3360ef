//! Bounded bodies, and what refusals mean: of any server, and in the codes of registries.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flyte_registration_crd::Reason;
use http::{HeaderMap, StatusCode, header::RETRY_AFTER};
use jiff::{Timestamp, fmt::rfc2822};
use oci_client::errors::{OciEnvelope, OciErrorCode};
use reqwest::Response;

use super::Trouble;
use crate::source::error::Failure;

/// Largest body of a refusal or of a token service's answer.
pub(in crate::source) const SMALL_BODY_MAX: u64 = 64 * 1024;
/// Longest time that the hub lets a source keep it away.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);

/// The whole body, if it is at most `max` bytes long.
pub(in crate::source) async fn body(
    mut response: Response,
    max: u64,
    host: &str,
) -> Result<Bytes, Trouble> {
    let too_large = || {
        let message = format!("{host} answers with more than {max} bytes");
        Trouble::Final(Failure::new(Reason::PackageTooLarge, message))
    };
    if response.content_length().is_some_and(|length| length > max) {
        return Err(too_large());
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| Trouble::of(host, error))?
    {
        if (body.len() + chunk.len()) as u64 > max {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// What a response other than success means for the one who asked for `what`.
pub(super) async fn refusal(response: Response, what: &str, host: &str) -> Failure {
    let (status, headers) = (response.status(), response.headers().clone());
    // A refusal is clear enough without its body.
    let body = body(response, SMALL_BODY_MAX, host)
        .await
        .unwrap_or_default();
    meaning(status, &headers, &codes(&body), what, host)
}

fn codes(body: &[u8]) -> Vec<OciErrorCode> {
    let envelope: Result<OciEnvelope, _> = serde_json::from_slice(body);
    envelope
        .map(|envelope| {
            envelope
                .errors
                .into_iter()
                .map(|error| error.code)
                .collect()
        })
        .unwrap_or_default()
}

fn meaning(
    status: StatusCode,
    headers: &HeaderMap,
    codes: &[OciErrorCode],
    what: &str,
    host: &str,
) -> Failure {
    use OciErrorCode::{
        BlobUnknown, Denied, ManifestUnknown, NameUnknown, Toomanyrequests, Unauthorized,
    };
    let says = |meant: &[OciErrorCode]| {
        status.is_client_error() && codes.iter().any(|code| meant.contains(code))
    };

    let failure = |reason, message: String| Failure::new(reason, message);
    let mut failure = if status == StatusCode::TOO_MANY_REQUESTS || says(&[Toomanyrequests]) {
        failure(
            Reason::RateLimited,
            format!("{host} limits the rate of requests"),
        )
    } else if status == StatusCode::UNAUTHORIZED
        || status == StatusCode::FORBIDDEN
        || says(&[Unauthorized, Denied])
    {
        failure(
            Reason::SourceUnauthorized,
            format!("{host} denies access ({})", status.as_u16()),
        )
    } else if status == StatusCode::NOT_FOUND || says(&[ManifestUnknown, NameUnknown, BlobUnknown])
    {
        let missing = if says(&[NameUnknown]) {
            "no such repository"
        } else {
            what
        };
        failure(Reason::PackageNotFound, format!("{host} has {missing}"))
    } else {
        failure(
            Reason::SourceUnavailable,
            format!("{host} answers {}", status.as_u16()),
        )
    };
    failure.retry_after = retry_after(headers, Timestamp::now());
    failure
}

/// `Retry-After`, in seconds or as a date (RFC 9110, 10.2.3).
pub(crate) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    let delay = if let Ok(seconds) = text.parse() {
        Duration::from_secs(seconds)
    } else {
        let date = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
        Duration::try_from(date.duration_since(now)).ok()?
    };
    Some(delay.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(status: u16, body: &str) -> Reason {
        let status = StatusCode::from_u16(status).unwrap();
        meaning(
            status,
            &HeaderMap::new(),
            &codes(body.as_bytes()),
            "no such package",
            "host",
        )
        .reason
    }

    #[test]
    fn refusals() {
        let code = |code: &str| format!(r#"{{"errors": [{{"code": "{code}", "message": "m"}}]}}"#);
        assert_eq!(reason(401, ""), Reason::SourceUnauthorized);
        assert_eq!(reason(403, "<html>"), Reason::SourceUnauthorized);
        assert_eq!(reason(404, ""), Reason::PackageNotFound);
        assert_eq!(reason(400, &code("NAME_UNKNOWN")), Reason::PackageNotFound);
        assert_eq!(reason(400, &code("DENIED")), Reason::SourceUnauthorized);
        assert_eq!(reason(429, ""), Reason::RateLimited);
        assert_eq!(reason(400, &code("TOOMANYREQUESTS")), Reason::RateLimited);
        assert_eq!(reason(400, &code("MOON_PHASE")), Reason::SourceUnavailable);
        assert_eq!(
            reason(500, &code("MANIFEST_UNKNOWN")),
            Reason::SourceUnavailable
        );
        assert_eq!(reason(503, ""), Reason::SourceUnavailable);
    }

    #[test]
    fn retry_after_in_both_notations() {
        let now: Timestamp = "1994-11-06T08:49:00Z".parse().unwrap();
        let read = |text: &'static str| {
            let headers = [(RETRY_AFTER, http::HeaderValue::from_static(text))]
                .into_iter()
                .collect();
            retry_after(&headers, now)
        };
        assert_eq!(read("120"), Some(Duration::from_mins(2)));
        assert_eq!(
            read("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(Duration::from_secs(37))
        );
        assert_eq!(read("Sun, 06 Nov 1994 08:00:00 GMT"), None);
        assert_eq!(read("999999999"), Some(RETRY_AFTER_MAX));
        assert_eq!(read("soon"), None);
    }
}
