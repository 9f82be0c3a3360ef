//! Where a resource makes the hub go for its package.

use std::collections::BTreeMap;

use flyte_registration_hub::source::{
    Allowed, Digest, PackageRef, Place, Reference, SourceConfig, Wanted, locate,
};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use url::Url;

/// What a tenant may use; `private` and `hidden` are somebody else's.
const MINE: [&str; 3] = ["registry", "artifacts", "files"];

/// The input as URI, version and digest, a line each. It leads nowhere but to what the
/// tenant's sources have.
pub fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let mut lines = text.splitn(3, '\n');
    let uri = lines.next().unwrap_or_default();
    let version = lines.next().unwrap_or_default();
    let digest = lines.next();
    let wanted = Wanted {
        uri,
        version,
        digest,
    };
    let (names, sources) = (MINE.map(str::to_owned), sources());
    for default_source in MINE.map(Some).into_iter().chain([None]) {
        let allowed = Allowed {
            default_source,
            sources: &names,
            signatures: None,
        };
        if let Ok(package) = locate(wanted, allowed, &sources) {
            check(&package);
            if let Some(digest) = digest {
                assert_eq!(package.pinned.as_ref().map(Digest::as_str), Some(digest));
            }
        }
    }
}

fn sources() -> BTreeMap<String, SourceConfig> {
    let source = |name: &str, config: Value| {
        let config = serde_json::from_value(config).expect("a source");
        (name.to_owned(), config)
    };
    BTreeMap::from([
        source(
            "registry",
            json!({"kind": "oci", "registry": "registry.example:5000/team"}),
        ),
        source(
            "private",
            json!({"kind": "oci", "registry": "registry.example:5000/team/private"}),
        ),
        source(
            "artifacts",
            json!({"kind": "artifactory", "url": "https://art.example/artifactory", "prefix": "flyte"}),
        ),
        source(
            "files",
            json!({"kind": "http", "url": "https://files.example/packages"}),
        ),
        source(
            "hidden",
            json!({"kind": "http", "url": "https://files.example/packages/hidden"}),
        ),
    ])
}

/// What goes into a URL leads to where it says, and that is within the source.
fn check(package: &PackageRef) {
    match &package.place {
        Place::Oci {
            registry,
            repository,
            reference,
        } => {
            assert_eq!(package.source, "registry");
            assert_eq!(registry, "registry.example:5000");
            assert!(repository.starts_with("team/"), "{repository}");
            assert!(
                repository != "team/private" && !repository.starts_with("team/private/"),
                "{repository}"
            );
            for part in repository.split('/') {
                let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
                assert!(part.starts_with(|c: char| c.is_ascii_alphanumeric()));
                assert!(part.chars().all(plain), "{repository}");
            }
            if let Reference::Tag(tag) = reference {
                let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
                assert!(!tag.starts_with('.') && tag.chars().all(plain), "{tag}");
            }
        }
        Place::File(url) => {
            let base = match package.source.as_str() {
                "artifacts" => "https://art.example/artifactory/flyte",
                "files" => "https://files.example/packages",
                source => panic!("a file in {source}"),
            };
            assert!(leads_below(url, base), "{url}");
            assert!(
                !leads_below(url, "https://files.example/packages/hidden"),
                "{url}"
            );
            assert_eq!(url.fragment(), None);
        }
    }
}

/// As a server may see it that decodes the path, and then climbs.
fn leads_below(url: &Url, base: &str) -> bool {
    let path = percent_decode_str(url.path()).decode_utf8_lossy();
    assert!(!path.contains(['\\', ';', '%']), "{url}");
    assert!(!path.contains("//"), "{url}");
    assert!(
        !path.split('/').any(|part| part == "." || part == ".."),
        "{url}"
    );
    let whole = format!("{}{path}", url.origin().ascii_serialization());
    let rest = whole.strip_prefix(base);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
