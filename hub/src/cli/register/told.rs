//! What `register` prints: of what it did, or of what it would do.

use std::collections::HashMap;

use flyte_registration_crd::{Counts, EntityAction, EntityType, Package, Reason};
use serde::Serialize;

use crate::{
    cli::{
        differences::{self, Shown},
        output::{plain, table},
    },
    package::{ExternalReference, Kind, Plan, Planned},
    registrar::{Activated, Comparison, Registrar, Report},
};

/// All of it, as it is printed for scripts.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Told {
    /// Nothing was written: `entities`, `counts` and `activations` say what would be.
    pub(super) dry_run: bool,
    flyte_admin: String,
    project: String,
    domain: String,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    package: Option<Package>,
    counts: Counts,
    /// In the order in which they are registered.
    entities: Vec<Entity>,
    /// What the package refers to and does not hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    references: Vec<Reference>,
    activations: Vec<Activated>,
    /// Why not all of it is, or would be, registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failure: Option<Failure>,
}

#[derive(Debug, Serialize)]
struct Entity {
    #[serde(rename = "type")]
    type_: EntityType,
    name: String,
    /// Absent if nothing could be begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<EntityAction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    differences: Vec<Shown>,
    /// The same for people.
    #[serde(skip)]
    lines: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Reference {
    #[serde(rename = "type")]
    type_: EntityType,
    project: String,
    domain: String,
    name: String,
    version: String,
}

/// A reason of the resource's conditions, and what is to be said about it.
#[derive(Debug, Serialize)]
pub(super) struct Failure {
    pub(super) reason: &'static str,
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(reason: Reason, message: &str) -> Self {
        Self {
            reason: reason.as_str(),
            message: in_flags(message),
        }
    }
}

impl Told {
    /// Nothing yet.
    pub(super) fn new(
        dry_run: bool,
        registrar: &Registrar,
        target: crate::package::Target,
    ) -> Self {
        Self {
            dry_run,
            flyte_admin: registrar.name().to_owned(),
            project: target.project,
            domain: target.domain,
            version: target.version,
            package: None,
            counts: Counts::default(),
            entities: Vec::new(),
            references: Vec::new(),
            activations: Vec::new(),
            failure: None,
        }
    }

    /// With the package.
    pub(super) fn of(self, package: Package) -> Self {
        Self {
            package: Some(package),
            ..self
        }
    }

    /// With why it ended early.
    pub(super) fn failed(self, reason: Reason, message: &str) -> Self {
        Self {
            failure: Some(Failure::new(reason, message)),
            ..self
        }
    }

    /// With what became of a plan, or would.
    pub(super) fn reported(self, plan: &Plan, report: Report, comparisons: &[Comparison]) -> Self {
        let by_name: HashMap<_, _> = report
            .entities
            .iter()
            .map(|entity| ((entity.type_, entity.name.as_str()), entity))
            .collect();
        let entities = plan.entities.iter().enumerate().map(|(index, planned)| {
            let reported = by_name.get(&(planned.kind, planned.id.name.as_str()));
            Entity::of(planned, reported.copied(), comparisons.get(index))
        });
        let entities = entities.collect();
        let references = plan.external.iter().map(|reference| {
            let ExternalReference { kind, id } = reference.clone();
            Reference {
                type_: kind,
                project: id.project,
                domain: id.domain,
                name: id.name,
                version: id.version,
            }
        });
        Self {
            entities,
            references: references.collect(),
            counts: report.counts,
            failure: report
                .failure
                .map(|failure| Failure::new(failure.reason, &failure.message)),
            activations: report.activations,
            ..self
        }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut parts = Vec::new();
        if !self.entities.is_empty() {
            let mut rows = table(&["TYPE", "NAME", "ACTION", "MESSAGE"]);
            for entity in &self.entities {
                let name = plain(&entity.name);
                let kind = Kind(entity.type_).to_string();
                rows.add_row([kind, name, self.action(entity.action), entity.text()]);
            }
            parts.push(rows.trim_fmt());
        }
        if !self.references.is_empty() {
            let mut rows = table(&["REFERENCE", "PROJECT:DOMAIN:NAME:VERSION"]);
            for one in &self.references {
                let name = [&one.project, &one.domain, &one.name, &one.version];
                let name = plain(&name.map(String::as_str).join(":"));
                rows.add_row([Kind(one.type_).to_string(), name]);
            }
            parts.push(rows.trim_fmt());
        }
        parts.push(self.summary());
        parts.join("\n\n")
    }

    fn action(&self, action: Option<EntityAction>) -> String {
        let Some(action) = action else {
            return "-".to_owned();
        };
        let word = format!("{action:?}").to_lowercase();
        match action {
            _ if !self.dry_run => word,
            EntityAction::Unchanged => word,
            EntityAction::Failed => "would fail".to_owned(),
            _ => format!("would be {word}"),
        }
    }

    fn summary(&self) -> String {
        let Counts {
            tasks,
            workflows,
            launch_plans,
            created,
            unchanged,
            activated,
            failed,
        } = self.counts;
        let dry = if self.dry_run {
            " (dry run: nothing was written)"
        } else {
            ""
        };
        format!(
            "{tasks} tasks, {workflows} workflows, {launch_plans} launch plans: {created} created, \
             {unchanged} unchanged, {activated} activated, {failed} failed{dry}"
        )
    }
}

impl Entity {
    fn of(
        planned: &Planned,
        reported: Option<&flyte_registration_crd::Entity>,
        comparison: Option<&Comparison>,
    ) -> Self {
        let explanation = comparison.and_then(differences::of);
        Self {
            type_: planned.kind,
            name: planned.id.name.clone(),
            action: reported.map(|entity| entity.action),
            message: reported.and_then(|entity| entity.message.clone()),
            differences: explanation.map(differences::shown).unwrap_or_default(),
            lines: explanation
                .into_iter()
                .flat_map(differences::lines)
                .collect(),
        }
    }

    /// What is to be said about it: in full, where it conflicts.
    fn text(&self) -> String {
        if self.lines.is_empty() {
            plain(self.message.as_deref().unwrap_or_default())
        } else {
            format!("registered with other content:\n{}", self.lines.join("\n"))
        }
    }
}

/// Messages for resources name fields of theirs: here, they are flags.
fn in_flags(message: &str) -> String {
    const FLAGS: [(&str, &str); 4] = [
        ("spec.launchPlans.names", "--activate-launch-plan"),
        ("spec.workflowVersion", "--version"),
        ("spec.workflowPackageUri", "PACKAGE"),
        ("spec.workflowName", "--workflow"),
    ];
    FLAGS
        .iter()
        .fold(message.to_owned(), |message, (field, flag)| {
            message.replace(field, flag)
        })
}
