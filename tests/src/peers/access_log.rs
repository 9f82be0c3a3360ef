//! What a server has answered, from its access log in Apache's combined format.

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

/// All requests of a log; lines of another form are left out.
pub(super) fn requests(log: &str) -> Vec<Request> {
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
