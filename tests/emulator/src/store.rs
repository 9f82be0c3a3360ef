//! The state: what the real server keeps in its database and its blob store.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use flyte_registration_proto::flyteidl::core;
use serde::{Deserialize, Serialize};

use crate::{closures::Reference, golang::text};

/// What makes a row unique. The organisation is not part of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// Project.
    pub project: String,
    /// Domain.
    pub domain: String,
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
}

impl Key {
    /// The key that an identifier names; empty parts for none.
    pub fn of(id: Option<&core::Identifier>) -> Self {
        let id = id.cloned().unwrap_or_default();
        Self {
            project: id.project,
            domain: id.domain,
            name: id.name,
            version: id.version,
        }
    }

    /// The identifier of the row as an answer shows it.
    pub fn identifier(&self, kind: core::ResourceType) -> core::Identifier {
        core::Identifier {
            resource_type: kind.into(),
            project: self.project.clone(),
            domain: self.domain.clone(),
            name: self.name.clone(),
            version: self.version.clone(),
            org: String::new(),
        }
    }

    /// As error messages show it.
    pub fn text(&self) -> String {
        text::row_identifier(&self.project, &self.domain, &self.name, &self.version)
    }

    /// Empty parts of a query are left out of it, so that they match anything.
    fn is_matched_by(&self, query: &Self) -> bool {
        let part = |have: &str, want: &str| want.is_empty() || have == want;
        part(&self.project, &query.project)
            && part(&self.domain, &query.domain)
            && part(&self.name, &query.name)
            && part(&self.version, &query.version)
    }
}

/// A row of a table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row<B> {
    /// Counts the rows of the table.
    pub id: u64,
    /// Primary key.
    pub key: Key,
    /// Microseconds since 1970.
    pub created: u64,
    /// Microseconds since 1970.
    pub updated: u64,
    /// Of the structure.
    pub digest: String,
    /// The rest of it.
    pub body: B,
}

/// A table, ordered by key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "Vec<Row<B>>", into = "Vec<Row<B>>")]
#[serde(bound(
    serialize = "B: Clone + Serialize",
    deserialize = "B: Deserialize<'de>"
))]
pub struct Table<B> {
    rows: BTreeMap<Key, Row<B>>,
}

impl<B> Default for Table<B> {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
        }
    }
}

impl<B> From<Vec<Row<B>>> for Table<B> {
    fn from(rows: Vec<Row<B>>) -> Self {
        let rows = rows.into_iter().map(|row| (row.key.clone(), row));
        Self {
            rows: rows.collect(),
        }
    }
}

impl<B> From<Table<B>> for Vec<Row<B>> {
    fn from(table: Table<B>) -> Self {
        table.rows.into_values().collect()
    }
}

impl<B> Table<B> {
    /// Some row that the query matches; empty parts of it match anything.
    pub fn find(&self, query: &Key) -> Option<&Row<B>> {
        self.rows
            .get(query)
            .or_else(|| self.rows().find(|row| row.key.is_matched_by(query)))
    }

    /// All rows by key.
    pub fn rows(&self) -> impl Iterator<Item = &Row<B>> {
        self.rows.values()
    }

    /// Adds a row of a key that is not there yet.
    pub fn insert(&mut self, key: Key, digest: String, body: B) {
        let now = now();
        let id = self.rows.len() as u64 + 1;
        let row = Row {
            id,
            key: key.clone(),
            created: now,
            updated: now,
            digest,
            body,
        };
        self.rows.insert(key, row);
    }

    /// Changes a row's body.
    pub fn update(&mut self, key: &Key, change: impl FnOnce(&mut B)) {
        if let Some(row) = self.rows.get_mut(key) {
            row.updated = now();
            change(&mut row.body);
        }
    }
}

/// A registered task.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Task {
    /// `flyteidl.admin.TaskClosure`, encoded.
    #[serde(with = "base64_bytes")]
    pub closure: Vec<u8>,
    /// Task type.
    pub kind: String,
    /// Of the description.
    pub short_description: String,
}

/// A registered workflow.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Workflow {
    /// Where its closure is.
    pub closure: Reference,
    /// `flyteidl.core.TypedInterface`, encoded.
    #[serde(with = "base64_bytes")]
    pub interface: Vec<u8>,
    /// Of the description.
    pub short_description: String,
}

/// The description of a task or a workflow of the same key: a row that is written on its own,
/// and so may be there without the other, or missing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Description {
    /// `flyteidl.admin.DescriptionEntity`, encoded.
    #[serde(with = "base64_bytes")]
    pub entity: Vec<u8>,
}

/// A file in the blob store.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Blob(#[serde(with = "base64_bytes")] pub Vec<u8>);

/// A registered launch plan.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LaunchPlan {
    /// `flyteidl.admin.LaunchPlanSpec`, encoded.
    #[serde(with = "base64_bytes")]
    pub spec: Vec<u8>,
    /// `flyteidl.admin.LaunchPlanClosure`, encoded, without its state.
    #[serde(with = "base64_bytes")]
    pub closure: Vec<u8>,
    /// `flyteidl.admin.LaunchPlanState`.
    pub state: i32,
    /// Key of the workflow.
    pub workflow: Key,
    /// `NONE`, `CRON` or `RATE`.
    pub schedule_type: String,
    /// The row of the scheduler's table: present once activated with a schedule.
    pub schedule_active: Option<bool>,
}

/// A project.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Project {
    /// Display name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// `flyteidl.admin.Project.ProjectState`.
    pub state: i32,
    /// Microseconds since 1970.
    pub created: u64,
}

/// What `UpdateNamedEntity` wrote.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct NamedEntity {
    /// `flyteidl.core.ResourceType`.
    pub kind: i32,
    /// Project, domain and name; no version.
    pub key: Key,
    /// Description.
    pub description: String,
    /// `flyteidl.admin.NamedEntityState`.
    pub state: i32,
}

/// Everything.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    /// By id.
    pub projects: BTreeMap<String, Project>,
    /// Tasks.
    pub tasks: Table<Task>,
    /// Workflows.
    pub workflows: Table<Workflow>,
    /// Launch plans.
    pub launch_plans: Table<LaunchPlan>,
    /// Descriptions of tasks.
    pub task_descriptions: Table<Description>,
    /// Descriptions of workflows.
    pub workflow_descriptions: Table<Description>,
    /// Metadata of names.
    pub named_entities: Vec<NamedEntity>,
    /// The blob store: closures of workflows, by name.
    pub blobs: BTreeMap<String, Blob>,
}

impl State {
    /// An empty database with these projects seeded.
    pub fn seeded(projects: &[String]) -> Self {
        let seed = |id: &String| {
            let project = Project {
                name: id.clone(),
                description: format!("{id} description"),
                created: now(),
                ..Project::default()
            };
            (id.clone(), project)
        };
        Self {
            projects: projects.iter().map(seed).collect(),
            ..Self::default()
        }
    }
}

/// Microseconds since 1970, the precision of the database.
pub fn now() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// As messages carry it.
pub fn timestamp(micros: u64) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: i64::try_from(micros / 1_000_000).unwrap_or(i64::MAX),
        nanos: i32::try_from(micros % 1_000_000 * 1000).unwrap_or(0),
    }
}

mod base64_bytes {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64_STANDARD.decode(text).map_err(D::Error::custom)
    }
}
