//! What a server has answered, from its access log in Apache's combined format.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Result, ensure};
use reqwest::Client;

use crate::{process::Process, wait_until};

/// How long a line may take to reach the log: long, for busy machines.
const LOGGED: Duration = Duration::from_secs(20);

/// Marks the requests of [`settled`], which are no test's.
const MARK: &str = "?settled=";

/// One request that a server has answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Request {
    /// `GET`, `HEAD`, …
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The status of the answer.
    pub status: u16,
}

/// All requests that a server has answered up to now.
///
/// A server logs a request after it has sent the answer, so that the last lines may be missing when the client already acts on them.
/// Therefore one more request is sent, to `url`, and its line waited for.
pub(super) async fn settled(process: &Process, client: &Client, url: &str) -> Result<Vec<Request>> {
    static MARKS: AtomicU32 = AtomicU32::new(0);
    let mark = format!("{MARK}{}.", MARKS.fetch_add(1, Ordering::Relaxed));
    client.get(format!("{url}{mark}")).send().await?;
    let what = format!("{} has logged {mark}", process.name());
    wait_until(LOGGED, &what, || async {
        let mut requests = requests(&process.log());
        let marked = requests.iter().any(|request| request.path.ends_with(&mark));
        ensure!(marked, "{} requests without it", requests.len());
        requests.retain(|request| !request.path.contains(MARK));
        Ok(requests)
    })
    .await
}

/// All requests of a log; lines of another form are left out.
fn requests(log: &str) -> Vec<Request> {
    log.lines().filter_map(parse).collect()
}

/// How many of `requests` have `method`, a path that contains `part`, and were answered with 2xx.
pub(super) fn count(requests: &[Request], method: &str, part: &str) -> usize {
    let fits = |request: &&Request| {
        request.method == method
            && request.path.contains(part)
            && (200..300).contains(&request.status)
    };
    requests.iter().filter(fits).count()
}

fn parse(line: &str) -> Option<Request> {
    // Other lines of a registry's log are JSON.
    if line.starts_with('{') {
        return None;
    }
    let (_, rest) = line.split_once("] \"")?;
    let (request, rest) = rest.split_once("\" ")?;
    let (method, rest_of_request) = request.split_once(' ')?;
    let (path, _) = rest_of_request.rsplit_once(' ')?;
    let status = rest.split(' ').next()?.parse().ok()?;
    Some(Request {
        method: method.to_owned(),
        path: path.to_owned(),
        status,
    })
}

#[cfg(test)]
mod tests {
    use super::{Request, parse};

    #[test]
    fn reads_the_access_log_and_skips_the_rest() {
        let line = r#"127.0.0.1 - - [21/Nov/2025:16:30:01 +0000] "GET /v2/etl/manifests/v1?x=1 HTTP/1.1" 401 87 "" "curl/8.0""#;
        let expected = Request {
            method: "GET".into(),
            path: "/v2/etl/manifests/v1?x=1".into(),
            status: 401,
        };
        assert_eq!(parse(line), Some(expected));
        assert_eq!(
            parse(r#"{"msg":"response completed [x] \"GET / HTTP/1.1\" 200 "}"#),
            None
        );
        assert_eq!(parse("panic: something"), None);
    }
}
