use std::str::FromStr;

use super::{Digest, authority, is_repository, is_tag};

/// `oci://host[:port]/repository[:tag][@sha256:…]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OciUri {
    /// `host[:port]`, in lower case.
    pub authority: String,
    /// The repository, with all its parts.
    pub repository: String,
    /// The tag, if there is one.
    pub tag: Option<String>,
    /// The digest of the manifest, if there is one.
    pub digest: Option<Digest>,
}

impl FromStr for OciUri {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text
            .strip_prefix("oci://")
            .ok_or("must begin with oci://")?;
        let (rest, digest) = match rest.split_once('@') {
            None => (rest, None),
            Some((rest, digest)) => (
                rest,
                Some(Digest::parse(digest).ok_or("has a digest that is not sha256")?),
            ),
        };
        let (host, path) = rest.split_once('/').ok_or("names no repository")?;
        let (repository, tag) = match path.split_once(':') {
            None => (path, None),
            Some((repository, tag)) => (repository, Some(tag)),
        };
        if !is_repository(repository) {
            return Err("names a repository that no OCI registry can have");
        }
        if !tag.is_none_or(is_tag) {
            return Err("has a tag that no OCI registry can have");
        }
        Ok(Self {
            authority: authority(host).ok_or("names no valid host")?,
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris() {
        let hex = "0".repeat(64);
        let uri: OciUri = format!("oci://host:5000/a/b:v1@sha256:{hex}")
            .parse()
            .unwrap();
        assert_eq!(uri.authority, "host:5000");
        assert_eq!(uri.repository, "a/b");
        assert_eq!(uri.tag.as_deref(), Some("v1"));
        assert_eq!(uri.digest.unwrap().hex(), hex);
        for bad in [
            "host/a",
            "oci://host",
            "oci://host/",
            "oci://host/a:",
            "oci://host/a@sha256:12",
            "oci://host/a:b:c",
        ] {
            assert!(bad.parse::<OciUri>().is_err(), "{bad}");
        }
    }
}
