//! The URLs of packages that are files. Pure.

use std::fmt;

use url::Url;

use super::LocateError;
use crate::source::config::BaseUrl;

/// Stands for the version in absolute URIs.
const VERSION: &str = "{version}";
/// How the names of archives end.
const ARCHIVES: [&str; 2] = [".tgz", ".tar.gz"];
/// What must not be hidden in a path, besides what is never encoded anyway (RFC 3986, 2.3):
/// servers differ in whether they decode it before they look for `..` and for what a prefix names.
const HIDDEN: &[u8] = b"/\\%;";

/// `https://host/path`, with the version in it where it says so.
pub(super) fn absolute(uri: &str, version: &str) -> Result<Url, LocateError> {
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let mut text = path.replace(VERSION, version);
    if !query.is_empty() {
        // In a query `+` is a space.
        text = format!(
            "{text}?{}",
            query.replace(VERSION, &version.replace('+', "%2B"))
        );
    }
    parse(&text)
}

/// `artifactory://repository/path`, below Artifactory's root: as the single-cluster operator named
/// files, unless the path names a file itself.
pub(super) fn of_artifactory(
    base: &BaseUrl,
    path: &str,
    version: &str,
) -> Result<Url, LocateError> {
    let is_file = path.contains(VERSION) || ARCHIVES.iter().any(|end| path.ends_with(end));
    let path = if is_file {
        path.replace(VERSION, version)
    } else {
        named(path, version)
    };
    parse(&format!("{base}/{path}"))
}

/// A path below a source: `PATH_VERSION.tgz`, as the single-cluster operator named files.
pub(super) fn relative(
    base: &BaseUrl,
    prefix: &str,
    path: &str,
    version: &str,
) -> Result<Url, LocateError> {
    let separator = if prefix.is_empty() { "" } else { "/" };
    parse(&format!(
        "{base}/{prefix}{separator}{}",
        named(path, version)
    ))
}

/// How much of `url` the source names that lies at `prefix` below `base`, if it is there or below.
pub(super) fn reach(base: &BaseUrl, prefix: &str, url: &Url) -> Option<usize> {
    let whole = if prefix.is_empty() {
        base.to_string()
    } else {
        format!("{base}/{prefix}")
    };
    let rest = url.as_str().strip_prefix(&whole)?;
    (rest.is_empty() || rest.starts_with(['/', '?'])).then_some(whole.len())
}

/// Without what may be a signature.
pub(super) fn without_query(url: &Url, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let text = url.as_str();
    match text.split_once('?') {
        Some((path, _)) => write!(f, "{path}?…"),
        None => f.write_str(text),
    }
}

fn named(path: &str, version: &str) -> String {
    format!("{path}_{version}.tgz")
}

fn parse(text: &str) -> Result<Url, LocateError> {
    if text.contains(['{', '}']) {
        return Err(LocateError::uri("has a placeholder other than {version}"));
    }
    let url = Url::parse(text).map_err(|_| LocateError::uri("is no URL"))?;
    let (given, _) = text.split_once('?').unwrap_or((text, ""));
    // A path that the parser changed had dots to climb with.
    let changed = given.splitn(4, '/').nth(3) != url.path().strip_prefix('/');
    if changed || hides(url.path()) {
        return Err(LocateError::uri(
            "has a path that does not say where it leads",
        ));
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(LocateError::uri("must have neither user nor fragment"));
    }
    Ok(url)
}

/// Whether servers could take the path for another one. Of `/a;b/c` some see no more than `/a/c`.
fn hides(path: &str) -> bool {
    path.contains("//")
        || path.contains(';')
        || path.split('%').skip(1).any(|encoded| {
            let byte = encoded.get(..2).filter(|hex| {
                let mut digits = hex.bytes();
                digits.all(|digit| digit.is_ascii_hexdigit())
            });
            let byte = byte.and_then(|hex| u8::from_str_radix(hex, 16).ok());
            byte.is_none_or(|byte| {
                byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || HIDDEN.contains(&byte)
            })
        })
}
