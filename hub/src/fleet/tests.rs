//! The index as a whole: messages in, work and statuses out.

mod activation;
mod lanes;
mod looks;
mod objects;
mod receipts;
mod record;
mod sessions;
mod terms;
mod view;
mod work;

use serde_json::{Value, json};

use super::*;
use crate::{
    receipt,
    tenancy::{Glob, LabelSelector, NamespacePattern, Tenancy, Tenant},
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
        self.connect_as("uid-of-kube-system", &[]);
    }

    fn connect_as(&mut self, uid: &str, namespaces: &[&str]) {
        let namespaces = namespaces.iter().map(|it| (*it).to_owned()).collect();
        let scope = Scope::from_proto(Some(proto::Scope { namespaces })).unwrap();
        self.fleet
            .open(&self.cluster, uid, scope, self.session, self.now);
    }

    fn pass(&mut self, time: Duration) {
        self.now.instant += time;
        self.now.wall = self.now.wall.checked_add(time).unwrap();
    }

    /// Another policy counts from now on.
    fn under(&mut self, policy: Policy) {
        self.fleet
            .replace_policy(policy, &Changed::default(), self.now);
    }

    /// The audit has put all refusals on record.
    fn record(&mut self) {
        let unrecorded = self.fleet.unrecorded(usize::MAX);
        let tickets: Vec<Ticket> = unrecorded.iter().map(|refusal| refusal.ticket).collect();
        self.fleet.recorded(&tickets, self.now);
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

    /// Takes a resource all the way. Returns it, and the status that its agent was told.
    fn registered(&mut self) -> (proto::Object, Value) {
        let plain = object("a", 1, &spec());
        self.changed(plain.clone());
        let job = self.take().unwrap();
        self.finish(&job, success());
        let status = self.status();
        (plain, status)
    }

    /// Everything that the agent is told now, once refusals are on record: name and status, `null`
    /// for a release.
    fn told(&mut self) -> Vec<(String, Value)> {
        self.record();
        self.told_before_records()
    }

    fn told_before_records(&mut self) -> Vec<(String, Value)> {
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
        places: 8,
    }
}

fn policy(namespaces: &[&str], epoch: &str) -> Policy {
    policy_of(tenant(namespaces), epoch)
}

fn tenant(namespaces: &[&str]) -> Tenant {
    let globs = |patterns: &[&str]| {
        patterns
            .iter()
            .map(|glob| Glob::try_from((*glob).to_owned()).unwrap())
            .collect()
    };
    Tenant {
        clusters: globs(&[EAST]),
        namespaces: namespaces
            .iter()
            .map(|pattern| NamespacePattern::try_from((*pattern).to_owned()).unwrap())
            .collect(),
        namespace_selector: LabelSelector::default(),
        flyte_admin: "main".to_owned(),
        auth: None,
        projects: globs(&["etl"]),
        domains: globs(&["development"]),
        sources: vec!["registry".to_owned(), "other".to_owned()],
        default_source: Some("registry".to_owned()),
        package_prefixes: None,
        signatures: None,
        require_digest: false,
        images: globs(&["*"]),
        service_accounts: globs(&["etl-*"]),
        iam_roles: Vec::new(),
        raw_output_data_prefixes: Vec::new(),
        privileged: false,
        host_namespaces: false,
        host_paths: Vec::new(),
        activate_launch_plans: true,
        create_projects: false,
        weight: std::num::NonZeroU32::MIN,
    }
}

fn policy_of(tenant: Tenant, epoch: &str) -> Policy {
    let source = |registry: &str| {
        serde_json::from_value(json!({"kind": "oci", "registry": registry})).unwrap()
    };
    Policy {
        tenancy: Tenancy::new([("t".to_owned(), tenant)].into()),
        sources: [
            ("registry".to_owned(), source("registry.example")),
            ("other".to_owned(), source("other.example")),
        ]
        .into(),
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
        rule: None,
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
