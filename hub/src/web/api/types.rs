//! What the API answers, as JSON.

use std::collections::BTreeMap;

use flyte_registration_crd::{ConditionType, Counts, FlyteRegistrationStatus, Package, Reason};
use serde::{Deserialize, Serialize};

use crate::fleet::view::{ClusterView, RegistrationView, Shows};

/// A page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct List<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// What `continue` of the next page is; absent where there is none.
    #[serde(rename = "continue", default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The problem.
    pub error: Told,
}

/// A problem, for programs and for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// In one word.
    pub code: String,
    /// In a sentence.
    pub message: String,
}

impl Problem {
    /// The body of an answer that is none.
    pub fn new(code: &str, message: &str) -> Self {
        Self {
            error: Told {
                code: code.to_owned(),
                message: message.to_owned(),
            },
        }
    }
}

/// A cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// Whether its agent is connected.
    pub connected: bool,
    /// The version of the agent that was connected last, as it says.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub agent_version: String,
    /// When its agent last said something, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<String>,
    /// How many resources are in which state: a reason of the conditions, or `Deleting`.
    pub resources: BTreeMap<String, u64>,
}

/// A `FlyteRegistration` of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registration {
    /// The cluster.
    pub cluster: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `metadata.uid`
    pub uid: String,
    /// `metadata.generation`
    pub generation: i64,
    /// The Flyte project that it asks for; empty, as the next two, where the spec cannot be read.
    pub project: String,
    /// The Flyte domain.
    pub domain: String,
    /// The version.
    pub version: String,
    /// A reason of the conditions, or `Deleting`.
    pub state: String,
    /// What it tells its tenant.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The FlyteAdmin that it is registered in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flyte_admin: Option<String>,
    /// The package that was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Package>,
    /// Entities by kind and fate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    /// When it was registered, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<String>,
}

fn state(reason: Option<Reason>) -> String {
    reason.map_or("Deleting", Reason::as_str).to_owned()
}

impl Cluster {
    /// One of the configuration whose agent has not come since the hub began.
    pub(super) fn never_seen(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            connected: false,
            agent_version: String::new(),
            last_seen: None,
            resources: BTreeMap::new(),
        }
    }
}

impl From<ClusterView> for Cluster {
    fn from(view: ClusterView) -> Self {
        let resources = view.resources.into_iter();
        Self {
            name: view.name.to_string(),
            connected: view.connected,
            agent_version: view.agent_version,
            last_seen: view.last_seen.map(|at| format!("{at:.3}")),
            resources: resources
                .map(|(reason, count)| (state(reason), count))
                .collect(),
        }
    }
}

impl From<RegistrationView> for Registration {
    fn from(view: RegistrationView) -> Self {
        let [project, domain, version] = view.target;
        let plain = Self {
            cluster: view.id.cluster.to_string(),
            namespace: view.id.key.namespace,
            name: view.id.key.name,
            uid: view.uid,
            generation: view.generation,
            project,
            domain,
            version,
            state: state(view.reason),
            message: String::new(),
            flyte_admin: None,
            package: None,
            counts: None,
            completed_at: None,
        };
        match view.shows {
            Shows::Nothing => plain,
            Shows::Receipt(payload) => Self {
                flyte_admin: Some(payload.flyte_admin),
                package: Some(payload.package),
                counts: Some(payload.counts),
                completed_at: Some(payload.completed_at),
                ..plain
            },
            // A status of ours is always one.
            Shows::Status(json) => match serde_json::from_slice(&json) {
                Ok(status) => plain.showing(status),
                Err(_) => plain,
            },
        }
    }
}

impl Registration {
    fn showing(self, status: FlyteRegistrationStatus) -> Self {
        let mut conditions = status.conditions.into_iter();
        let ready = conditions.find(|condition| condition.type_ == ConditionType::Ready);
        let registration = status.registration.unwrap_or_default();
        Self {
            message: ready.map(|ready| ready.message).unwrap_or_default(),
            flyte_admin: registration.flyte_admin,
            package: status.package,
            counts: status.counts,
            completed_at: registration.completed_at,
            ..self
        }
    }
}
