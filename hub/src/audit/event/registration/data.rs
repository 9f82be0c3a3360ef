//! What events of registrations say, as `docs/audit.md` has it.

use flyte_registration_crd::{Counts, ENTITIES_MAX, EntityAction, EntityType, Reason};
use serde::Serialize;

use crate::{
    fleet::{Order, Outcome},
    package::Activation,
    registrar::Activated,
};

/// What events of registrations say.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Data<'a> {
    pub actor: Actor<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration: Option<Registration<'a>>,
    pub decision: Decision<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Ended<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launch_plans: Option<Vec<Plan<'a>>>,
}

/// The resource that asks, and who wrote it last, as its cluster claims.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Actor<'a> {
    pub cluster: &'a str,
    pub namespace: &'a str,
    pub name: &'a str,
    pub uid: &'a str,
    pub generation: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub last_manager: &'a str,
}

/// What was asked for.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Registration<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flyte_admin: Option<&'a str>,
    pub project: &'a str,
    pub domain: &'a str,
    pub version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activate: Option<&'static str>,
    pub package: Package,
}

/// The package, as far as it was found.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Package {
    pub uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive_digest: Option<String>,
}

/// What the policy says.
#[derive(Serialize)]
pub struct Decision<'a> {
    pub allowed: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub rule: &'a str,
}

/// What became of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ended<'a> {
    pub reason: Reason,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entities: Vec<Entity<'a>>,
    #[serde(skip_serializing_if = "is_zero")]
    pub entities_omitted: usize,
}

/// An entity of the package.
#[derive(Serialize)]
pub struct Entity<'a> {
    #[serde(rename = "type")]
    pub type_: EntityType,
    pub name: &'a str,
    pub version: &'a str,
    pub action: EntityAction,
}

/// A launch plan that was activated.
#[derive(Serialize)]
pub struct Plan<'a> {
    pub name: &'a str,
    pub version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<&'a str>,
}

/// What `order` asks for.
pub fn registration<'a>(
    order: &'a Order,
    package: Option<&flyte_registration_crd::Package>,
) -> Registration<'a> {
    Registration {
        flyte_admin: Some(&order.flyte_admin),
        project: &order.target.project,
        domain: &order.target.domain,
        version: &order.target.version,
        workflow: order.selection.workflow_name.as_deref(),
        activate: match &order.activation {
            Activation::None => None,
            Activation::Scheduled => Some("Scheduled"),
            Activation::All => Some("All"),
            Activation::Named(_) => Some("Named"),
        },
        package: match package {
            None => Package {
                uri: public(&order.package.to_string()),
                digest: None,
                archive_digest: None,
            },
            Some(package) => Package {
                uri: public(&package.uri),
                digest: Some(package.digest.clone()),
                archive_digest: package.archive_digest.clone(),
            },
        },
    }
}

/// The entities of `outcome`, no more than fit.
pub fn entities(outcome: &Outcome) -> Vec<Entity<'_>> {
    let mut entities: Vec<_> = outcome.entities.iter().collect();
    // The failed ones first, as in the status.
    entities.sort_by_key(|entity| entity.action);
    let shown = entities.into_iter().take(ENTITIES_MAX);
    shown
        .map(|entity| Entity {
            type_: entity.type_,
            name: &entity.name,
            version: &entity.version,
            action: entity.action,
        })
        .collect()
}

/// A launch plan that was activated for `order`.
pub fn activated<'a>(plan: &'a Activated, order: &'a Order) -> Plan<'a> {
    Plan {
        name: &plan.name,
        version: &order.target.version,
        before: plan.before.as_deref(),
    }
}

/// The URI without what may be a secret: user, query, fragment.
pub fn public(uri: &str) -> String {
    let path = uri.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = path.split_once("://") else {
        return path.to_owned();
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out references"
)]
fn is_zero(number: &usize) -> bool {
    *number == 0
}
