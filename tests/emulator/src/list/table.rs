//! Tables and their columns.

/// The value of a column.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    /// No value, or one that nobody filters by.
    Null,
    /// Number.
    Int(i64),
    /// Microseconds since 1970.
    Time(u64),
    /// Text.
    Text(String),
}

/// A table, by the letter that messages call it and with its columns.
#[derive(Debug, Clone, Copy)]
pub struct Entity {
    /// What messages call it.
    pub letter: &'static str,
    /// What a filter's field may start with.
    pub(super) prefix: &'static str,
    /// The table's name.
    pub table: &'static str,
    columns: &'static [&'static str],
}

const BASE: [&str; 8] = [
    "id",
    "created_at",
    "updated_at",
    "deleted_at",
    "project",
    "domain",
    "name",
    "version",
];

/// Tasks.
pub const TASK: Entity = Entity {
    letter: "t",
    prefix: "task",
    table: "tasks",
    columns: &["closure", "digest", "type", "short_description"],
};
/// Workflows.
pub const WORKFLOW: Entity = Entity {
    letter: "w",
    prefix: "workflow",
    table: "workflows",
    columns: &[
        "typed_interface",
        "remote_closure_identifier",
        "digest",
        "short_description",
    ],
};
/// Launch plans.
pub const LAUNCH_PLAN: Entity = Entity {
    letter: "l",
    prefix: "launch_plan",
    table: "launch_plans",
    columns: &[
        "spec",
        "workflow_id",
        "closure",
        "state",
        "digest",
        "schedule_type",
        "launch_condition_type",
    ],
};
/// Projects, whose columns are these alone.
pub const PROJECT: Entity = Entity {
    letter: "p",
    prefix: "project",
    table: "projects",
    columns: &["identifier", "description", "labels", "state"],
};
/// Names without versions.
pub const NAMED_ENTITY: Entity = Entity {
    letter: "nen",
    prefix: "entities",
    table: "entities",
    columns: &["resource_type", "description", "state"],
};
/// Further prefixes that messages know a letter for.
pub(super) const OTHERS: [(&str, &str); 8] = [
    ("execution", "e"),
    ("node_execution", "ne"),
    ("task_execution", "te"),
    ("named_entity_metadata", "nem"),
    ("signal", "s"),
    ("admin_tag", "at"),
    ("execution_admin_tag", "eat"),
    ("execution_tag", "et"),
];

impl Entity {
    /// Whether the table has this column.
    pub(super) fn has(&self, column: &str) -> bool {
        let base = match self.letter {
            "p" => &["id", "created_at", "updated_at", "deleted_at", "name"][..],
            "nen" => &["project", "domain", "name"][..],
            _ => &BASE[..],
        };
        base.contains(&column) || self.columns.contains(&column)
    }
}
