//! What a tenant's packages may have in them.

use std::{collections::BTreeMap, sync::Arc};

use flyte_registration_crd::EntityType;
use flyte_registration_fixtures::packages::FEATURES;
use flyte_registration_hub::{
    package::{Claim, ClaimKind, claims},
    tenancy::{Question, Tenancy, Tenant, Terms},
};
use serde_json::{Value, json};

use super::plan_all;

fn terms(more: Value) -> Arc<Terms> {
    let mut tenant = json!({
        "clusters": ["*"], "namespaces": ["*"], "flyteAdmin": "main", "projects": ["*"],
        "domains": ["*"], "sources": [], "images": ["ghcr.io/acme/*"],
    });
    if let Value::Object(more) = more {
        tenant.as_object_mut().unwrap().extend(more);
    }
    let tenant: Tenant = serde_json::from_value(tenant).unwrap();
    let tenancy = Tenancy::new([("t".to_owned(), tenant)].into());
    let question = Question {
        cluster: "c",
        namespace: "n",
        labels: &BTreeMap::default(),
        project: "p",
        domain: "d",
    };
    tenancy.decide(question).unwrap().terms
}

#[test]
fn what_terms_do_not_name_is_denied() {
    let all = claims(&plan_all(FEATURES).unwrap()).unwrap();
    let denial = terms(json!({"images": []})).review(&all).unwrap_err();
    assert_eq!(denial.rule, "tenants.t.images");
    let once = denial.message.matches("ghcr.io/acme/features:v1").count();
    assert_eq!(once, 1, "{denial}");
    assert!(
        denial
            .message
            .contains("task features.raw_container: template.container.image: ghcr.io/acme/raw:v2"),
        "{denial}"
    );
    assert_eq!(terms(json!({})).review(&all), Ok(()));
    let others = terms(json!({"images": ["ghcr.io/acme/{features,sidecar,other}:*"]}));
    let denial = others.review(&all).unwrap_err();
    assert!(
        denial.message.contains("raw:v2") && !denial.message.contains("sidecar"),
        "{denial}"
    );
}

#[test]
fn paths_and_prefixes_must_say_where_they_lead() {
    let claim = |kind, value: &str| Claim {
        entity: EntityType::Task,
        name: "t".to_owned(),
        path: "p".to_owned(),
        kind,
        value: value.to_owned(),
    };
    let terms = terms(json!({"hostPaths": ["/mnt/*"], "rawOutputDataPrefixes": ["s3://acme/*"]}));
    for (kind, value, allowed) in [
        (ClaimKind::HostPath, "/mnt/a", true),
        (ClaimKind::HostPath, "/mnt/../etc", false),
        (ClaimKind::HostPath, "/etc", false),
        (ClaimKind::RawOutputDataPrefix, "s3://acme/a", true),
        (ClaimKind::RawOutputDataPrefix, "s3://acme/../b", false),
        (ClaimKind::RawOutputDataPrefix, "s3://acme/%2e%2e/b", false),
        (ClaimKind::Privileged, "privileged", false),
        (ClaimKind::HostNamespace, "the node's network", false),
        (ClaimKind::Image, "ghcr.io/acme/x@sha256:00", true),
        (ClaimKind::Image, "ghcr.io/acmex/x", false),
        (ClaimKind::Image, "evil/ghcr.io/acme/x", false),
    ] {
        let reviewed = terms.review(&[claim(kind, value)]);
        assert_eq!(reviewed.is_ok(), allowed, "{value}");
    }
}
