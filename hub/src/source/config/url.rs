//! URLs in the configuration.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

/// `http[s]://host[:port][/path]`, without a slash at its end.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BaseUrl(Url);

impl BaseUrl {
    /// The URL, whose path ends without a slash unless it is the root.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// `host[:port]`.
    pub fn authority(&self) -> &str {
        self.0.authority()
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for BaseUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const MESSAGE: &str =
            "must be https://host[:port][/path], without a user, a query or a fragment";
        let mut url = Url::parse(&text).map_err(|_| MESSAGE)?;
        let plain = matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if !plain {
            return Err(MESSAGE);
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(Self(url))
    }
}

impl From<BaseUrl> for String {
    fn from(base: BaseUrl) -> Self {
        base.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_base_urls() {
        for (text, expected) in [
            ("https://Host/artifactory/", "https://host/artifactory"),
            ("https://host:443", "https://host"),
            ("http://host:8081/a/b", "http://host:8081/a/b"),
        ] {
            let base = BaseUrl::try_from(text.to_owned()).unwrap();
            assert_eq!(base.to_string(), expected);
        }
        for bad in [
            "host/path",
            "ftp://host",
            "https://u:p@host",
            "https://host?a",
            "https://host#a",
            "",
        ] {
            assert!(BaseUrl::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
