//! What the API answers, as rows of a table. Pure.

use std::collections::HashMap;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    cli::output::{self, plain},
    web::api::types::{Cluster, Registration},
};

/// Longest message of a row, in characters.
const MESSAGE_MAX: usize = 80;

/// Something that can be a row.
pub(super) trait Row: Serialize + DeserializeOwned + PartialEq {
    /// The heads of the columns.
    const COLUMNS: &'static [&'static str];
    /// What it is, whatever becomes of it.
    fn key(&self) -> String;
    /// A cell for each column.
    fn cells(&self) -> Vec<String>;
}

/// These as a table.
pub(super) fn table<T: Row>(items: &[T], headed: bool) -> String {
    let mut table = if headed {
        output::table(T::COLUMNS)
    } else {
        output::rows()
    };
    for item in items {
        table.add_row(item.cells().iter().map(|cell| plain(cell)));
    }
    table.trim_fmt()
}

/// What was printed last of each item.
pub(super) struct Seen<T>(HashMap<String, T>);

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Row + Clone> Seen<T> {
    /// Those of `items` that are new or have changed.
    pub fn new_of(&mut self, items: Vec<T>) -> Vec<T> {
        let is_new = |item: &T| self.0.get(&item.key()) != Some(item);
        let new: Vec<T> = items.into_iter().filter(is_new).collect();
        for item in &new {
            self.0.insert(item.key(), item.clone());
        }
        new
    }
}

impl Row for Cluster {
    const COLUMNS: &'static [&'static str] =
        &["NAME", "CONNECTED", "AGENT", "LAST SEEN", "RESOURCES"];

    fn key(&self) -> String {
        self.name.clone()
    }

    fn cells(&self) -> Vec<String> {
        let resources = self
            .resources
            .iter()
            .map(|(state, count)| format!("{state}={count}"));
        vec![
            self.name.clone(),
            self.connected.to_string(),
            self.agent_version.clone(),
            self.last_seen.clone().unwrap_or_default(),
            resources.collect::<Vec<_>>().join(" "),
        ]
    }
}

impl Row for Registration {
    const COLUMNS: &'static [&'static str] = &[
        "CLUSTER",
        "NAMESPACE",
        "NAME",
        "PROJECT",
        "DOMAIN",
        "VERSION",
        "STATE",
        "MESSAGE",
    ];

    fn key(&self) -> String {
        format!("{}/{}/{}", self.cluster, self.namespace, self.name)
    }

    fn cells(&self) -> Vec<String> {
        let Self {
            cluster,
            namespace,
            name,
            project,
            domain,
            version,
            state,
            message,
            ..
        } = self;
        let message = message.chars().take(MESSAGE_MAX).collect();
        let texts = [cluster, namespace, name, project, domain, version, state];
        texts.into_iter().cloned().chain([message]).collect()
    }
}

/// A CloudEvent.
impl Row for Value {
    const COLUMNS: &'static [&'static str] = &[
        "TIME", "EVENT", "SUBJECT", "PROJECT", "DOMAIN", "VERSION", "REASON", "RULE",
    ];

    fn key(&self) -> String {
        self["id"].as_str().unwrap_or_default().to_owned()
    }

    fn cells(&self) -> Vec<String> {
        let text = |path: &str| {
            let value = self.pointer(path).and_then(Self::as_str);
            value.unwrap_or_default().to_owned()
        };
        let kind = text("/type");
        let kind = kind.strip_prefix("backend.flyte.").unwrap_or(&kind);
        vec![
            text("/time"),
            kind.strip_suffix(".v1").unwrap_or(kind).to_owned(),
            text("/subject"),
            text("/data/registration/project"),
            text("/data/registration/domain"),
            text("/data/registration/version"),
            text("/data/outcome/reason"),
            text("/data/decision/rule"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cluster(name: &str, connected: bool) -> Cluster {
        Cluster {
            name: name.to_owned(),
            connected,
            agent_version: "1.2.3".to_owned(),
            last_seen: None,
            resources: [("Denied".to_owned(), 2), ("Registered".to_owned(), 5)].into(),
        }
    }

    #[test]
    fn tables_are_for_people() {
        let event = json!({
            "type": "backend.flyte.registration.denied.v1",
            "time": "2026-11-21T10:00:00.000Z",
            "subject": "east/data-a/etl\u{1b}[31m",
            "data": {"decision": {"rule": "tenants"}, "outcome": {"reason": "Denied"}},
        });
        let tables = [
            table(&[cluster("east", true)], true),
            table(&[event], false),
        ]
        .join("\n\n");
        insta::assert_snapshot!(tables);
    }

    #[test]
    fn only_what_changed_is_printed_again() {
        let mut seen = Seen::default();
        let both = vec![cluster("east", true), cluster("west", true)];
        assert_eq!(seen.new_of(both.clone()), both);
        assert_eq!(seen.new_of(both), []);
        let changed = vec![cluster("east", true), cluster("west", false)];
        assert_eq!(seen.new_of(changed), [cluster("west", false)]);
    }
}
