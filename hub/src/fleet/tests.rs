//! The index as a whole: messages in, work and statuses out.

use serde_json::{Value, json};

use super::*;
use crate::{
    receipt,
    tenancy::{Glob, Tenancy, Tenant},
};
use flyte_registration_crd::{Counts, Package, canonical};
use flyte_registration_proto::hub::v1 as proto;

const EAST: &str = "east";

/// A hub with one tenant, a clock of its own, and one session.
struct Hub {
    fleet: Fleet,
    now: Now,
    session: SessionId,
    cluster: Arc<str>,
}

impl Hub {
    fn new() -> Self {
        let mut hub = Self {
            fleet: Fleet::new(policy(&["data-*"], "1"), settings()),
            now: Now {
                instant: Instant::now(),
                wall: "2026-11-21T10:00:00Z".parse().unwrap(),
            },
            session: Uuid::nil(),
            cluster: EAST.into(),
        };
        hub.connect();
        hub
    }

    /// Another hub after this one: the same key, nothing in memory.
    fn restarted(&self) -> Self {
        Self {
            now: self.now,
            ..Self::new()
        }
    }

    fn connect(&mut self) {
        self.session = Uuid::from_u128(self.session.as_u128() + 1);
        self.fleet
            .open(&self.cluster, "uid-of-kube-system", self.session)
            .unwrap();
    }

    fn pass(&mut self, time: Duration) {
        self.now.instant += time;
        self.now.wall = self.now.wall.checked_add(time).unwrap();
    }

    fn say(&mut self, up: Up) {
        self.fleet
            .receive(&self.cluster, self.session, up, self.now)
            .unwrap();
    }

    fn changed(&mut self, object: proto::Object) {
        let (key, observed) = Observed::from_proto(object).unwrap();
        self.say(Up::Changed(key, Box::new(observed)));
    }

    fn take(&mut self) -> Option<Job> {
        self.fleet.take(self.now)
    }

    fn finish(&mut self, job: &Job, outcome: Outcome) {
        self.fleet.finish(job.ticket, outcome, self.now);
    }

    /// Everything that the agent is told now: name and status, `null` for a release.
    fn told(&mut self) -> Vec<(String, Value)> {
        let (told, _) = self
            .fleet
            .tell(&self.cluster, self.session, 1000, self.now)
            .unwrap();
        told.into_iter()
            .map(|told| match told {
                Told::Status { key, json, .. } => {
                    (key.name, serde_json::from_slice(&json).unwrap())
                }
                Told::Release { key, .. } => (key.name, Value::Null),
            })
            .collect()
    }

    /// The only status that the agent is told now.
    fn status(&mut self) -> Value {
        let mut told = self.told();
        assert_eq!(told.len(), 1, "{told:?}");
        told.remove(0).1
    }
}

fn settings() -> Settings {
    Settings {
        retry_initial: Duration::from_secs(2),
        retry_max: Duration::from_mins(15),
        max_objects: 3,
    }
}

fn policy(namespaces: &[&str], epoch: &str) -> Policy {
    let globs = |patterns: &[&str]| {
        patterns
            .iter()
            .map(|glob| Glob::try_from((*glob).to_owned()).unwrap())
            .collect()
    };
    let tenant = Tenant {
        clusters: globs(&[EAST]),
        namespaces: globs(namespaces),
        flyte_admin: "main".to_owned(),
        projects: globs(&["etl"]),
        domains: globs(&["development"]),
        sources: vec!["registry".to_owned()],
        default_source: Some("registry".to_owned()),
    };
    let source =
        serde_json::from_value(json!({"kind": "oci", "registry": "registry.example"})).unwrap();
    Policy {
        tenancy: Tenancy::new([("t".to_owned(), tenant)].into()),
        sources: [("registry".to_owned(), source)].into(),
        epochs: [("main".to_owned(), epoch.to_owned())].into(),
        receipts: receipt::Key::new(&[1; 32]),
    }
}

fn spec() -> Value {
    json!({
        "workflowProject": "etl",
        "workflowDomain": "development",
        "workflowVersion": "v1",
        "workflowPackageUri": "team/flows",
    })
}

fn object(name: &str, generation: i64, spec: &Value) -> proto::Object {
    proto::Object {
        key: Some(proto::ObjectKey {
            namespace: "data-a".to_owned(),
            name: name.to_owned(),
        }),
        uid: format!("uid-{name}"),
        generation,
        spec_json: spec.to_string().into(),
        ..proto::Object::default()
    }
}

/// `object` as it is once the agent has written `status`.
fn showing(object: &proto::Object, status: &Value) -> proto::Object {
    proto::Object {
        status_hash: canonical::status_hash(Some(status)).into(),
        receipt: status["receipt"].as_str().unwrap_or_default().to_owned(),
        ..object.clone()
    }
}

fn success() -> Outcome {
    Outcome {
        package: Some(Package {
            uri: "oci://r/p:v1".to_owned(),
            digest: "sha256:1".to_owned(),
            ..Package::default()
        }),
        counts: Some(Counts {
            tasks: 2,
            workflows: 1,
            launch_plans: 1,
            created: 4,
            ..Counts::default()
        }),
        ..Outcome::default()
    }
}

fn failure(reason: Reason) -> Outcome {
    let failure = Failure {
        reason,
        message: "because".to_owned(),
        retry_after: None,
    };
    Outcome {
        failure: Some(failure),
        ..Outcome::default()
    }
}

/// `Ready/Reconciling/Stalled reason`
fn conditions(status: &Value) -> String {
    let of = |name: &str| {
        let all = status["conditions"].as_array().unwrap();
        let one = all
            .iter()
            .find(|condition| condition["type"] == name)
            .unwrap();
        one["status"].as_str().unwrap().to_owned()
    };
    let reason = status["conditions"][0]["reason"].as_str().unwrap();
    format!(
        "{}/{}/{} {reason}",
        of("Ready"),
        of("Reconciling"),
        of("Stalled")
    )
}

#[test]
fn a_resource_is_queued_worked_on_and_registered() {
    let mut hub = Hub::new();
    hub.changed(object("a", 1, &spec()));
    assert_eq!(conditions(&hub.status()), "Unknown/True/False Queued");
    let job = hub.take().unwrap();
    assert_eq!(
        job.order.package.to_string(),
        "oci://registry.example/team/flows:v1"
    );
    assert!(hub.take().is_none());
    hub.pass(Duration::from_millis(1500));
    hub.finish(&job, success());
    insta::assert_json_snapshot!(hub.status(), {".receipt" => "…"});
}

#[test]
fn short_progress_is_not_told_long_progress_is() {
    let mut hub = Hub::new();
    hub.changed(object("a", 1, &spec()));
    hub.told();
    let job = hub.take().unwrap();
    hub.fleet.progress(job.ticket, Progress::Fetching, hub.now);
    assert!(hub.told().is_empty());
    hub.pass(PROGRESS_WORTH_TELLING);
    assert_eq!(conditions(&hub.status()), "Unknown/True/False Fetching");
}

#[test]
fn a_receipt_survives_the_hub_and_a_forged_one_is_not_believed() {
    let mut hub = Hub::new();
    let plain = object("a", 1, &spec());
    hub.changed(plain.clone());
    let job = hub.take().unwrap();
    hub.finish(&job, success());
    let status = hub.status();
    let shown = showing(&plain, &status);

    let mut restarted = hub.restarted();
    restarted.changed(shown.clone());
    assert!(restarted.take().is_none() && restarted.told().is_empty());

    // The same status without the receipt, or on another resource or generation, is display only.
    for forged in [
        proto::Object {
            receipt: String::new(),
            ..shown.clone()
        },
        proto::Object {
            uid: "other".to_owned(),
            ..shown.clone()
        },
        proto::Object {
            generation: 2,
            ..shown.clone()
        },
        proto::Object {
            spec_json: spec().to_string().replace("v1", "v2").into(),
            ..shown.clone()
        },
    ] {
        let mut restarted = hub.restarted();
        restarted.changed(forged);
        assert!(restarted.take().is_some());
    }
}

#[test]
fn a_tampered_status_is_written_again_without_any_work() {
    let mut hub = Hub::new();
    let plain = object("a", 1, &spec());
    hub.changed(plain.clone());
    let job = hub.take().unwrap();
    hub.finish(&job, success());
    let status = hub.status();
    let tampered = proto::Object {
        status_hash: vec![9; 32].into(),
        ..showing(&plain, &status)
    };

    hub.changed(tampered.clone());
    assert_eq!(hub.status(), status);

    let mut restarted = hub.restarted();
    restarted.changed(tampered);
    assert!(restarted.take().is_none());
    let again = restarted.status();
    assert_eq!(conditions(&again), "True/False/False Registered");
    assert_eq!(
        (&again["counts"], &again["package"]),
        (&status["counts"], &status["package"])
    );
    // And what was written from the receipt is believed by the next one.
    let mut next = hub.restarted();
    next.changed(showing(&plain, &again));
    assert!(next.take().is_none() && next.told().is_empty());
}

#[test]
fn another_epoch_of_flyteadmin_voids_receipts() {
    let mut hub = Hub::new();
    hub.changed(object("a", 1, &spec()));
    let job = hub.take().unwrap();
    hub.finish(&job, success());
    hub.fleet.replace_policy(policy(&["data-*"], "2"), hub.now);
    assert_eq!(hub.take().unwrap().order.epoch, "2");
}

#[test]
fn what_the_policy_does_not_allow_is_denied_ready_or_not() {
    let mut hub = Hub::new();
    hub.changed(object("a", 1, &spec()));
    let job = hub.take().unwrap();
    hub.finish(&job, success());
    hub.told();
    hub.fleet.replace_policy(policy(&["other"], "1"), hub.now);
    let status = hub.status();
    assert_eq!(conditions(&status), "False/False/True Denied");
    hub.fleet.replace_policy(policy(&["data-*"], "1"), hub.now);
    assert_eq!(conditions(&hub.status()), "Unknown/True/False Queued");
}

#[test]
fn bad_suspended_and_unsupported_specs_are_told_so() {
    let with = |key: &str, value: Value| {
        let mut spec = spec();
        spec[key] = value;
        spec
    };
    for (spec, expected) in [
        (
            with("workflowVersion", json!("a?b")),
            "False/False/True InvalidSpec",
        ),
        (
            with("workflowProject", json!(7)),
            "False/False/True InvalidSpec",
        ),
        (
            with("somethingNew", json!(true)),
            "False/False/True InvalidSpec",
        ),
        (with("suspend", json!(true)), "False/False/False Suspended"),
        (
            with("interval", json!("1h")),
            "False/False/True NotSupported",
        ),
        (
            with("workflowProject", json!("other")),
            "False/False/True Denied",
        ),
    ] {
        let mut hub = Hub::new();
        hub.changed(object("a", 1, &spec));
        assert_eq!(conditions(&hub.status()), expected, "{spec}");
        assert!(hub.take().is_none());
    }
}

#[test]
fn an_oversized_spec_is_told_so() {
    let mut hub = Hub::new();
    hub.changed(proto::Object {
        spec_json: bytes::Bytes::new(),
        oversized_spec_bytes: 300_000,
        ..object("a", 1, &spec())
    });
    let status = hub.status();
    assert!(
        status["conditions"][0]["message"]
            .as_str()
            .unwrap()
            .contains("300000 bytes"),
        "{status}"
    );
}

#[test]
fn transient_failures_are_tried_again_with_backoff() {
    let mut hub = Hub::new();
    hub.changed(object("a", 1, &spec()));
    let job = hub.take().unwrap();
    hub.finish(&job, failure(Reason::FlyteUnavailable));
    let status = hub.status();
    assert_eq!(conditions(&status), "False/True/False FlyteUnavailable");
    assert!(status["registration"]["nextRetryAt"].is_string());
    assert!(hub.take().is_none());
    let due = hub.fleet.next_due().unwrap();
    hub.pass(due - hub.now.instant);
    let job = hub.take().unwrap();
    hub.fleet.progress(job.ticket, Progress::Fetching, hub.now);
    hub.pass(PROGRESS_WORTH_TELLING);
    assert!(
        hub.told().is_empty(),
        "a repetition goes on showing the failure"
    );
    hub.finish(&job, success());
    assert_eq!(hub.status()["registration"]["attempts"], 2);
}

#[test]
fn permanent_failures_are_not_tried_again_until_the_resource_changes() {
    let mut hub = Hub::new();
    hub.changed(object("a", 1, &spec()));
    let job = hub.take().unwrap();
    hub.finish(&job, failure(Reason::PackageInvalid));
    assert_eq!(conditions(&hub.status()), "False/False/True PackageInvalid");
    assert_eq!((hub.take().is_none(), hub.fleet.next_due()), (true, None));
    hub.changed(object("a", 2, &spec()));
    assert!(hub.take().is_some());
}

#[test]
fn transition_times_change_with_the_status_only() {
    let mut hub = Hub::new();
    hub.changed(object("a", 1, &spec()));
    let job = hub.take().unwrap();
    hub.finish(&job, failure(Reason::FlyteUnavailable));
    let first = hub.status();
    hub.pass(Duration::from_mins(1));
    let job = hub.take().unwrap();
    hub.finish(&job, failure(Reason::ProjectNotFound));
    let second = hub.status();
    assert_eq!(
        first["conditions"][0]["lastTransitionTime"],
        second["conditions"][0]["lastTransitionTime"]
    );
    hub.pass(Duration::from_mins(1));
    let job = hub.take().unwrap();
    hub.finish(&job, success());
    let third = hub.status();
    assert_ne!(
        second["conditions"][0]["lastTransitionTime"],
        third["conditions"][0]["lastTransitionTime"]
    );
    assert_eq!(
        second["conditions"][2]["lastTransitionTime"],
        third["conditions"][2]["lastTransitionTime"]
    );
}

#[test]
fn work_for_an_older_generation_is_void() {
    let mut hub = Hub::new();
    hub.changed(object("a", 1, &spec()));
    let job = hub.take().unwrap();
    let mut edited = spec();
    edited["workflowVersion"] = json!("v2");
    hub.changed(object("a", 2, &edited));
    assert_eq!(hub.fleet.take_wake().cancelled, [job.ticket]);
    hub.told();
    hub.finish(&job, success());
    assert!(hub.told().is_empty());
    assert_eq!(hub.take().unwrap().order.target.version, "v2");
}

#[test]
fn a_resource_recreated_under_its_name_is_another() {
    let mut hub = Hub::new();
    hub.changed(object("a", 1, &spec()));
    let job = hub.take().unwrap();
    hub.told();
    hub.changed(proto::Object {
        uid: "uid-new".to_owned(),
        ..object("a", 1, &spec())
    });
    hub.told();
    hub.finish(&job, success());
    assert!(
        hub.told().is_empty(),
        "the old one's outcome is not the new one's"
    );
    let job = hub.take().unwrap();
    hub.finish(&job, success());
    let (told, _) = hub.fleet.tell(EAST, hub.session, 10, hub.now).unwrap();
    assert!(matches!(&told[..], [Told::Status { uid, .. }] if uid == "uid-new"));
}

#[test]
fn a_late_gone_of_the_old_one_does_not_touch_the_new_one() {
    let mut hub = Hub::new();
    hub.changed(proto::Object {
        uid: "uid-new".to_owned(),
        ..object("a", 1, &spec())
    });
    let key = Key {
        namespace: "data-a".to_owned(),
        name: "a".to_owned(),
    };
    hub.say(Up::Gone(key.clone(), "uid-old".to_owned()));
    assert_eq!(hub.fleet.census().len(), 1);
    hub.say(Up::Gone(key, "uid-new".to_owned()));
    assert!(hub.fleet.census().is_empty() && hub.take().is_none());
}

#[test]
fn deletion_stops_work_and_releases_our_finalizer_once() {
    let mut hub = Hub::new();
    hub.changed(object("a", 1, &spec()));
    let job = hub.take().unwrap();
    hub.told();
    hub.changed(proto::Object {
        deleting: true,
        finalizer: true,
        generation: 2,
        ..object("a", 1, &spec())
    });
    assert_eq!(hub.fleet.take_wake().cancelled, [job.ticket]);
    assert_eq!(hub.told(), [("a".to_owned(), Value::Null)]);
    assert!(hub.told().is_empty() && hub.take().is_none());
}

#[test]
fn labels_and_statuses_of_others_cause_no_work() {
    let mut hub = Hub::new();
    let plain = object("a", 1, &spec());
    hub.changed(plain.clone());
    let job = hub.take().unwrap();
    hub.finish(&job, success());
    let status = hub.status();
    hub.changed(proto::Object {
        last_manager: "kubectl-label".to_owned(),
        ..showing(&plain, &status)
    });
    assert!(hub.take().is_none() && hub.told().is_empty());
}

#[test]
fn a_new_reconcile_request_looks_again() {
    let mut hub = Hub::new();
    let plain = object("a", 1, &spec());
    hub.changed(plain.clone());
    let job = hub.take().unwrap();
    hub.finish(&job, success());
    let asked = proto::Object {
        reconcile_requested_at: "now".to_owned(),
        ..showing(&plain, &hub.status())
    };
    hub.changed(asked.clone());
    let job = hub.take().unwrap();
    assert!(job.order.recheck);
    hub.finish(&job, success());
    let status = hub.told().pop().unwrap().1;
    assert_eq!(status["lastHandledReconcileAt"], "now");
    let mut restarted = hub.restarted();
    restarted.changed(showing(&asked, &status));
    assert!(restarted.take().is_none());
}

#[test]
fn what_a_snapshot_does_not_hold_is_forgotten() {
    let mut hub = Hub::new();
    hub.changed(object("a", 1, &spec()));
    hub.changed(object("b", 1, &spec()));
    hub.connect();
    let chunk = |name: &str, last| {
        let objects = vec![Observed::from_proto(object(name, 1, &spec())).unwrap()];
        Up::Snapshot {
            number: 1,
            objects,
            last,
        }
    };
    hub.say(chunk("b", false));
    hub.say(Up::Changed(
        Key {
            namespace: "data-a".to_owned(),
            name: "c".to_owned(),
        },
        Box::new(Observed::from_proto(object("c", 1, &spec())).unwrap().1),
    ));
    assert_eq!(
        hub.fleet.census().values().sum::<u64>(),
        3,
        "an unfinished snapshot says nothing of the rest"
    );
    hub.say(Up::Snapshot {
        number: 1,
        objects: Vec::new(),
        last: true,
    });
    let names: Vec<String> = hub.told().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["b", "c"]);
}

#[test]
fn a_newer_session_fences_the_older_and_is_told_what_differs() {
    let mut hub = Hub::new();
    let plain = object("a", 1, &spec());
    hub.changed(plain.clone());
    let old = hub.session;
    let queued = hub.status();
    hub.connect();
    assert_eq!(
        hub.fleet.tell(EAST, old, 1, hub.now),
        Err(Refused::Superseded)
    );
    let late = hub
        .fleet
        .receive(&hub.cluster.clone(), old, Up::Heartbeat, hub.now);
    assert_eq!(late, Err(Refused::Superseded));
    hub.fleet.close(EAST, old);
    assert_eq!(hub.fleet.connected(), 1);
    hub.changed(showing(&plain, &queued));
    assert!(hub.told().is_empty(), "it shows what it should");
    hub.connect();
    hub.changed(plain);
    assert_eq!(hub.status(), queued);
}

#[test]
fn another_cluster_under_the_same_name_is_refused() {
    let mut hub = Hub::new();
    let refused = hub
        .fleet
        .open(&hub.cluster, "another-uid", Uuid::from_u128(99));
    assert_eq!(refused, Err(Refused::OtherCluster));
    assert!(
        hub.fleet.tell(EAST, hub.session, 1, hub.now).is_ok(),
        "the first one's session stands"
    );
}

#[test]
fn a_cluster_has_a_limit_of_resources() {
    let mut hub = Hub::new();
    for name in ["a", "b", "c"] {
        hub.changed(object(name, 1, &spec()));
    }
    let (key, observed) = Observed::from_proto(object("d", 1, &spec())).unwrap();
    let refused = hub.fleet.receive(
        &hub.cluster.clone(),
        hub.session,
        Up::Changed(key, Box::new(observed)),
        hub.now,
    );
    assert_eq!(refused, Err(Refused::TooManyObjects));
}

#[test]
fn malformed_objects_are_refused() {
    let nameless = proto::Object {
        key: None,
        ..object("a", 1, &spec())
    };
    let without_uid = proto::Object {
        uid: String::new(),
        ..object("a", 1, &spec())
    };
    let long = proto::Object {
        reconcile_requested_at: "x".repeat(2000),
        ..object("a", 1, &spec())
    };
    for malformed in [nameless, without_uid, long] {
        assert!(Observed::from_proto(malformed).is_err());
    }
}
