//! Events: what is put on record, as CloudEvents 1.0. Pure.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

pub mod agent;
pub mod configuration;
pub mod registration;

/// Most bytes of a text from elsewhere that goes into an event.
const TEXT_MAX: usize = 1024;
/// Bytes of a hash that make an id.
const ID_BYTES: usize = 16;

/// What happened, in one word. `docs/audit.md` explains each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The policy allows a registration and all that is in its package: FlyteAdmin is called.
    RegistrationStarted,
    /// Everything that was asked for is registered.
    RegistrationSucceeded,
    /// Something stands against it other than the policy.
    RegistrationFailed,
    /// The policy does not allow it.
    RegistrationDenied,
    /// Launch plans were activated.
    LaunchPlansActivated,
    /// An agent was let in.
    AgentAuthenticated,
    /// Somebody was not let in.
    AgentRefused,
    /// The hub runs with another configuration.
    ConfigurationChanged,
    /// Another configuration could not be used.
    ConfigurationRejected,
}

impl Kind {
    /// The `type` of the CloudEvent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RegistrationStarted => "backend.flyte.registration.started.v1",
            Self::RegistrationSucceeded => "backend.flyte.registration.succeeded.v1",
            Self::RegistrationFailed => "backend.flyte.registration.failed.v1",
            Self::RegistrationDenied => "backend.flyte.registration.denied.v1",
            Self::LaunchPlansActivated => "backend.flyte.launchplans.activated.v1",
            Self::AgentAuthenticated => "backend.flyte.agent.authenticated.v1",
            Self::AgentRefused => "backend.flyte.agent.refused.v1",
            Self::ConfigurationChanged => "backend.flyte.configuration.changed.v1",
            Self::ConfigurationRejected => "backend.flyte.configuration.rejected.v1",
        }
    }
}

/// Whom and what an event is about, as far as the history is searched by it. Empty where it is
/// about no such thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The cluster.
    pub cluster: String,
    /// The namespace.
    pub namespace: String,
    /// The resource.
    pub name: String,
    /// The Flyte project.
    pub project: String,
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The same for the same happening, however often it is told.
    pub id: String,
    /// When.
    pub time: Timestamp,
    /// What.
    pub kind: Kind,
    /// About whom and what.
    pub about: About,
    /// All of it.
    pub data: Value,
}

#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'a str,
    #[serde(rename = "type")]
    type_: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    subject: String,
    time: String,
    datacontenttype: &'static str,
    data: &'a Value,
}

impl Event {
    /// The CloudEvent in its JSON format, from `source`.
    pub fn cloud_event(&self, source: &str) -> String {
        let About {
            cluster,
            namespace,
            name,
            ..
        } = &self.about;
        let parts = [cluster, namespace, name].map(String::as_str);
        let named = parts.iter().take_while(|part| !part.is_empty());
        let event = CloudEvent {
            specversion: "1.0",
            id: &self.id,
            source,
            type_: self.kind.as_str(),
            subject: named.copied().collect::<Vec<_>>().join("/"),
            time: format!("{:.3}", self.time),
            datacontenttype: "application/json",
            data: &self.data,
        };
        // A tree of texts and numbers is always JSON.
        serde_json::to_string(&event).unwrap_or_default()
    }
}

/// The id of a happening that is known by these parts: the same hub, or the next one, gives it
/// again.
fn id_of(kind: Kind, parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in [kind.as_str()].iter().chain(parts) {
        // Lengths keep ("ab", "c") and ("a", "bc") apart.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(&hash.finalize()[..ID_BYTES])
}

/// The id of something that happens once.
fn id_once() -> String {
    Uuid::new_v4().simple().to_string()
}

/// `value` as JSON; it holds nothing that has no JSON.
fn data(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

#[cfg(test)]
mod tests;
