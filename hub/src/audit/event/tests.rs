use std::sync::Arc;

use flyte_registration_crd::{Counts, Entity, EntityAction, EntityType, Package, Reason};

use super::*;
use crate::{
    fleet::{
        Asked, Failure, Key, ObjectId, Occasion, Order, Origin, Outcome, Refusal, Ticket,
        Unrecorded,
    },
    package::{Activation, Options, Selection, Target},
    registrar::Activated,
    source::{PackageRef, Place},
};

fn at() -> Timestamp {
    "2026-11-21T10:00:00.25Z".parse().unwrap()
}

fn origin() -> Origin {
    Origin {
        id: ObjectId {
            cluster: Arc::from("east"),
            key: Key {
                namespace: "data-a".to_owned(),
                name: "etl".to_owned(),
            },
        },
        uid: "0b1e".to_owned(),
        generation: 2,
        request: Some("now".to_owned()),
        last_manager: "kubectl".to_owned(),
    }
}

fn order() -> Order {
    Order {
        tenant: "warehouse".to_owned(),
        rule: "tenants.warehouse".to_owned(),
        flyte_admin: "main".to_owned(),
        epoch: "1".to_owned(),
        package: PackageRef {
            source: "files".to_owned(),
            place: Place::File(
                "https://user:secret@files.example/etl.tgz?token=secret"
                    .parse()
                    .unwrap(),
            ),
            pinned: None,
            signatures: None,
        },
        target: Target {
            project: "etl".to_owned(),
            domain: "development".to_owned(),
            version: "v1".to_owned(),
        },
        selection: Selection::default(),
        options: Options::default(),
        activation: Activation::All,
        create_project: false,
        terms: Arc::default(),
        fingerprint: String::new(),
        weight: 1,
        own_credentials: false,
        occasion: Occasion::Change,
    }
}

fn package() -> Package {
    Package {
        uri: "https://files.example/etl.tgz?token=secret".to_owned(),
        digest: "sha256:00".to_owned(),
        ..Package::default()
    }
}

fn success() -> Outcome {
    let entity = |name: &str, action| Entity {
        type_: EntityType::LaunchPlan,
        name: name.to_owned(),
        version: "v1".to_owned(),
        action,
        message: None,
    };
    Outcome {
        package: Some(package()),
        counts: Some(Counts {
            launch_plans: 2,
            created: 1,
            activated: 1,
            ..Counts::default()
        }),
        entities: vec![
            entity("nightly", EntityAction::Created),
            entity("hourly", EntityAction::Activated),
        ],
        activations: vec![Activated {
            name: "hourly".to_owned(),
            before: Some("v0".to_owned()),
        }],
        failure: None,
    }
}

fn failure(reason: Reason) -> Outcome {
    Outcome {
        failure: Some(Failure {
            reason,
            message: "because".to_owned(),
            rule: None,
            retry_after: None,
        }),
        ..Outcome::default()
    }
}

fn refused(reason: Reason) -> Unrecorded {
    Unrecorded {
        ticket: Ticket::default(),
        origin: origin(),
        wanted: Some(Asked {
            project: "etl".to_owned(),
            domain: "development".to_owned(),
            version: "v1".to_owned(),
            package_uri: "https://files.example/etl.tgz?token=secret".to_owned(),
        }),
        refusal: Refusal {
            reason,
            message: "not there".to_owned(),
            rule: Some("tenants.warehouse.domains".to_owned()),
        },
    }
}

/// What consumers read: a change here is a change of `docs/audit.md`.
#[test]
fn events_are_cloud_events() {
    let registered = registration::ended(&origin(), &order(), &success(), at());
    let events = [
        registration::started(&origin(), &order(), &package(), at()),
        registration::ended(
            &origin(),
            &order(),
            &failure(Reason::SourceUnavailable),
            at(),
        )
        .remove(0),
        registration::refused(&refused(Reason::Denied), at()),
        agent::authenticated("east", "token of system:serviceaccount:a:b", 1, at()),
        agent::refused("east", &[("audience".to_owned(), 7)].into(), at()),
        configuration::changed("sha256:00", at()),
        configuration::rejected("sha256:01", "tenants.a: wrong", at()),
    ];
    let all: Vec<Value> = events
        .iter()
        .chain(&registered)
        .map(|event| serde_json::from_str(&event.cloud_event("/hub")).unwrap())
        .collect();
    assert!(!format!("{all:?}").contains("secret"));
    insta::assert_json_snapshot!(all, {"[].id" => "[id]"});
}

#[test]
fn the_same_happening_has_the_same_id_and_others_have_others() {
    let id = |event: Event| event.id;
    let denied = |refused: &Unrecorded| id(registration::refused(refused, Timestamp::now()));
    let first = refused(Reason::Denied);
    assert_eq!(denied(&first), denied(&first));
    let mut others = vec![first.clone(); 5];
    others[0].origin.uid = "other".to_owned();
    others[1].origin.generation += 1;
    others[2].origin.request = None;
    others[3].refusal.rule = None;
    others[4].refusal.reason = Reason::NotSupported;
    for other in &others {
        assert_ne!(denied(&first), denied(other), "{other:?}");
    }

    let failed = || {
        id(registration::ended(
            &origin(),
            &order(),
            &failure(Reason::FlyteUnavailable),
            at(),
        )
        .remove(0))
    };
    assert_eq!(failed(), failed());
}

/// Whatever was written is an event of its own, however often the same is tried.
#[test]
fn what_was_written_is_never_the_same() {
    let events = || registration::ended(&origin(), &order(), &success(), at());
    let ids: std::collections::BTreeSet<String> = events()
        .into_iter()
        .chain(events())
        .map(|event| event.id)
        .collect();
    assert_eq!(ids.len(), 4);
}

#[test]
fn a_look_that_finds_all_as_it_was_is_no_event() {
    let look = Order {
        occasion: Occasion::Look,
        ..order()
    };
    let found = Outcome {
        package: Some(package()),
        ..Outcome::default()
    };
    let ended = |outcome: &Outcome| registration::ended(&origin(), &look, outcome, at()).len();
    assert_eq!(ended(&found), 0);
    assert_eq!(ended(&failure(Reason::VersionConflict)), 1);
    assert_eq!(ended(&success()), 2);
}
