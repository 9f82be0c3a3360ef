use super::*;

mod files;

const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const OTHER: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn sources() -> BTreeMap<String, SourceConfig> {
    [
        ("main", "registry.example:5000/flyte"),
        ("whole", "registry.example:5000"),
        ("private", "registry.example:5000/flyte/private"),
        ("twin", "registry.example:5000/flyte"),
    ]
    .into_iter()
    .map(|(name, registry)| {
        let json = serde_json::json!({"kind": "oci", "registry": registry});
        (name.to_owned(), serde_json::from_value(json).unwrap())
    })
    .collect()
}

fn reference_of(package: &PackageRef) -> Reference {
    match &package.place {
        Place::Oci { reference, .. } => reference.clone(),
        Place::File(url) => panic!("{url} is a file"),
    }
}

fn at(
    uri: &str,
    version: &str,
    digest: Option<&str>,
    allowed: &[&str],
) -> Result<PackageRef, LocateError> {
    let names: Vec<String> = allowed.iter().map(|&name| name.to_owned()).collect();
    let allowed = Allowed {
        default_source: allowed.first().copied(),
        sources: &names,
        signatures: None,
    };
    locate(
        Wanted {
            uri,
            version,
            digest,
        },
        allowed,
        &sources(),
    )
}

#[test]
fn relative_uris_lie_below_the_default_source() {
    let package = at("team/pkg", "1.0.0+build", None, &["main"]).unwrap();
    assert_eq!(
        package.to_string(),
        "oci://registry.example:5000/flyte/team/pkg:1.0.0_build"
    );
    assert_eq!((package.source.as_str(), package.pinned), ("main", None));
}

#[test]
fn relative_uris_need_a_default_source() {
    let names = ["main".to_owned()];
    let allowed = Allowed {
        default_source: None,
        sources: &names,
        signatures: None,
    };
    let wanted = Wanted {
        uri: "team/pkg",
        version: "1",
        digest: None,
    };
    assert!(matches!(
        locate(wanted, allowed, &sources()),
        Err(LocateError::Denied(_))
    ));
}

#[test]
fn absolute_uris_name_tag_or_digest_or_neither() {
    let reference = |uri: String| {
        at(&uri, "v9", None, &["main"]).map(|package| (reference_of(&package), package.pinned))
    };
    let base = "oci://Registry.Example:5000/flyte/pkg";
    let digest = Digest::parse(DIGEST).unwrap();
    assert_eq!(
        reference(base.to_owned()),
        Ok((Reference::Tag("v9".to_owned()), None))
    );
    assert_eq!(
        reference(format!("{base}:v1")),
        Ok((Reference::Tag("v1".to_owned()), None))
    );
    let pinned = Ok((Reference::Digest(digest.clone()), Some(digest)));
    assert_eq!(reference(format!("{base}@{DIGEST}")), pinned);
    assert_eq!(reference(format!("{base}:v1@{DIGEST}")), pinned);
}

#[test]
fn a_pin_in_the_spec_leaves_the_tag_to_be_looked_up() {
    let package = at("pkg", "v1", Some(DIGEST), &["main"]).unwrap();
    assert_eq!(reference_of(&package), Reference::Tag("v1".to_owned()));
    assert_eq!(package.pinned, Digest::parse(DIGEST));
}

#[test]
fn digests_must_agree() {
    let uri = format!("oci://registry.example:5000/flyte/pkg@{DIGEST}");
    assert!(at(&uri, "v1", Some(DIGEST), &["main"]).is_ok());
    assert!(matches!(
        at(&uri, "v1", Some(OTHER), &["main"]),
        Err(LocateError::InvalidSpec(_))
    ));
    assert!(matches!(
        at("pkg", "v1", Some("sha256:12"), &["main"]),
        Err(LocateError::InvalidSpec(_))
    ));
}

#[test]
fn a_repository_belongs_to_the_longest_prefix() {
    let private = "oci://registry.example:5000/flyte/private/pkg";
    let denied = |result| assert!(matches!(result, Err(LocateError::Denied(_))), "{result:?}");
    denied(at(private, "v1", None, &["main"]));
    denied(at(private, "v1", None, &["whole"]));
    denied(at("private/pkg", "v1", None, &["main"]));
    denied(at("private", "v1", None, &["main"]));
    denied(at("flyte/pkg", "v1", None, &["whole"]));
    assert_eq!(
        at(private, "v1", None, &["main", "private"])
            .unwrap()
            .source,
        "private"
    );
    assert_eq!(
        at("private/pkg", "v1", None, &["main", "private"])
            .unwrap()
            .source,
        "private"
    );
    assert_eq!(
        at(
            "oci://registry.example:5000/else",
            "v1",
            None,
            &["main", "whole"]
        )
        .unwrap()
        .source,
        "whole"
    );
}

#[test]
fn of_equal_sources_the_tenants_own_is_taken() {
    let uri = "oci://registry.example:5000/flyte/pkg";
    assert_eq!(at(uri, "v1", None, &["twin"]).unwrap().source, "twin");
    assert_eq!(
        at(uri, "v1", None, &["main", "twin"]).unwrap().source,
        "main"
    );
    assert_eq!(
        at(uri, "v1", None, &["whole", "twin", "main"])
            .unwrap()
            .source,
        "twin"
    );
}

#[test]
fn what_no_source_names_is_denied_without_naming_the_others() {
    let error = at("oci://elsewhere.example/flyte/pkg", "v1", None, &["main"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the tenant has no source for oci://elsewhere.example/flyte/pkg"
    );
    assert_eq!(error.reason(), Reason::Denied);
    assert_eq!(
        at("oci://registry.example/flyte/pkg", "v1", None, &["main"])
            .unwrap_err()
            .reason(),
        Reason::Denied
    );
}

#[test]
fn unknown_forms() {
    let reason = |uri| at(uri, "v1", None, &["main"]).unwrap_err().reason();
    assert_eq!(reason("ftp://host/pkg"), Reason::InvalidSpec);
    assert_eq!(reason("http://host/pkg"), Reason::InvalidSpec);
    assert_eq!(reason("oci://host"), Reason::InvalidSpec);
    for disguised in [
        "oci://user:password@registry.example:5000/flyte/pkg",
        "oci://registry.example:5000@evil.example/flyte/pkg",
        "oci://registry.example:5000/flyte/%2e%2e/private/pkg",
        "oci://registry.example:5000/flyte/../private/pkg",
    ] {
        assert!(at(disguised, "v1", None, &["main"]).is_err(), "{disguised}");
    }
}

#[test]
fn names_that_no_registry_has() {
    let reason = |uri, version| at(uri, version, None, &["main"]).unwrap_err().reason();
    assert_eq!(reason("Team/pkg", "v1"), Reason::InvalidSpec);
    assert_eq!(reason("team/../pkg", "v1"), Reason::InvalidSpec);
    assert_eq!(reason("pkg:other", "v1"), Reason::InvalidSpec);
    assert_eq!(reason("pkg", "1.0~rc1"), Reason::InvalidSpec);
    assert!(
        at(
            "oci://registry.example:5000/flyte/pkg:rc1",
            "1.0~rc1",
            None,
            &["main"]
        )
        .is_ok()
    );
}
