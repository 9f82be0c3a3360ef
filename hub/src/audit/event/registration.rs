//! Events of registrations.

use flyte_registration_crd::{ENTITIES_MAX, Reason, bounded};
use jiff::Timestamp;

use super::{About, Event, Kind, TEXT_MAX, id_of, id_once};
use crate::fleet::{Occasion, Order, Origin, Outcome, Refusal, Unrecorded};

mod data;

use data::{
    Actor, Data, Decision, Ended, Package, Registration, activated, entities, public, registration,
};

/// The policy allows it and all that is in the package, and FlyteAdmin is going to be called. Once
/// for each generation, request and package.
pub fn started(
    origin: &Origin,
    order: &Order,
    package: &flyte_registration_crd::Package,
    at: Timestamp,
) -> Event {
    let data = Data {
        registration: Some(registration(order, Some(package))),
        ..plain(origin, allowed(order))
    };
    let id = [
        order.flyte_admin.as_str(),
        &order.epoch,
        &order.rule,
        &package.digest,
    ];
    event(
        Kind::RegistrationStarted,
        origin,
        &order.target.project,
        &id,
        &data,
        at,
    )
}

/// What became of a registration. Nothing of a look that found all as it was.
pub fn ended(origin: &Origin, order: &Order, outcome: &Outcome, at: Timestamp) -> Vec<Event> {
    if order.occasion == Occasion::Look && outcome.failure.is_none() && !wrote(outcome) {
        return Vec::new();
    }
    let reason = outcome
        .failure
        .as_ref()
        .map_or(Reason::Registered, |failure| failure.reason);
    let kind = match reason {
        Reason::Registered => Kind::RegistrationSucceeded,
        Reason::Denied => Kind::RegistrationDenied,
        _ => Kind::RegistrationFailed,
    };
    let failure = outcome.failure.as_ref();
    let message = failure.map(|failure| &failure.message);
    let rule = failure.and_then(|failure| failure.rule.as_ref());
    let rule = rule.unwrap_or(&order.rule);
    let digest = outcome
        .package
        .as_ref()
        .map(|package| package.digest.as_str());
    let known = Data {
        registration: Some(registration(order, outcome.package.as_ref())),
        ..plain(origin, allowed(order))
    };
    let data = Data {
        decision: Decision {
            allowed: reason != Reason::Denied,
            rule,
        },
        outcome: Some(Ended {
            reason,
            message: message
                .map(|text| bounded(text, TEXT_MAX))
                .unwrap_or_default(),
            counts: outcome.counts,
            entities: entities(outcome),
            entities_omitted: outcome.entities.len().saturating_sub(ENTITIES_MAX),
        }),
        ..known
    };
    let project = &order.target.project;
    let id = [
        order.flyte_admin.as_str(),
        &order.epoch,
        rule,
        digest.unwrap_or_default(),
        reason.as_str(),
    ];
    let mut event = event(kind, origin, project, &id, &data, at);
    if wrote(outcome) {
        event.id = id_once();
    }
    let activated = (!outcome.activations.is_empty()).then(|| {
        let plans = outcome.activations.iter().take(ENTITIES_MAX);
        let data = Data {
            registration: Some(registration(order, outcome.package.as_ref())),
            launch_plans: Some(plans.map(|plan| activated(plan, order)).collect()),
            ..plain(origin, allowed(order))
        };
        Event {
            kind: Kind::LaunchPlansActivated,
            id: id_once(),
            data: super::data(&data),
            ..event.clone()
        }
    });
    [Some(event), activated].into_iter().flatten().collect()
}

/// What the policy, or the rules of the spec, do not allow. Once for each generation, request and
/// decision.
pub fn refused(refused: &Unrecorded, at: Timestamp) -> Event {
    let Unrecorded {
        origin,
        wanted,
        refusal,
        ..
    } = refused;
    let Refusal {
        reason,
        message,
        rule,
    } = refusal;
    let rule = rule.as_deref().unwrap_or_default();
    let denied = *reason == Reason::Denied;
    let kind = if denied {
        Kind::RegistrationDenied
    } else {
        Kind::RegistrationFailed
    };
    let registration = wanted.as_ref().map(|wanted| Registration {
        flyte_admin: None,
        project: &wanted.project,
        domain: &wanted.domain,
        version: &wanted.version,
        workflow: None,
        activate: None,
        package: Package {
            uri: public(&wanted.package_uri),
            digest: None,
            archive_digest: None,
        },
    });
    let data = Data {
        registration,
        outcome: Some(Ended {
            reason: *reason,
            message: bounded(message, TEXT_MAX),
            counts: None,
            entities: Vec::new(),
            entities_omitted: 0,
        }),
        ..plain(
            origin,
            Decision {
                allowed: !denied,
                rule,
            },
        )
    };
    let project = wanted.as_ref().map_or("", |wanted| &wanted.project);
    event(
        kind,
        origin,
        project,
        &[reason.as_str(), rule, message],
        &data,
        at,
    )
}

/// Whether FlyteAdmin has something of it now that it had not before.
fn wrote(outcome: &Outcome) -> bool {
    outcome.counts.is_some_and(|counts| counts.created > 0) || !outcome.activations.is_empty()
}

fn event(
    kind: Kind,
    origin: &Origin,
    project: &str,
    parts: &[&str],
    data: &Data<'_>,
    time: Timestamp,
) -> Event {
    let generation = origin.generation.to_string();
    let request = origin.request.as_deref().unwrap_or_default();
    let whose = [&*origin.id.cluster, &origin.uid, &generation, request];
    let parts: Vec<&str> = whose.into_iter().chain(parts.iter().copied()).collect();
    Event {
        id: id_of(kind, &parts),
        time,
        kind,
        about: About {
            cluster: origin.id.cluster.to_string(),
            namespace: origin.id.key.namespace.clone(),
            name: origin.id.key.name.clone(),
            project: project.to_owned(),
        },
        data: super::data(data),
    }
}

fn plain<'a>(origin: &'a Origin, decision: Decision<'a>) -> Data<'a> {
    Data {
        actor: Actor {
            cluster: &origin.id.cluster,
            namespace: &origin.id.key.namespace,
            name: &origin.id.key.name,
            uid: &origin.uid,
            generation: origin.generation,
            request: origin.request.as_deref(),
            last_manager: &origin.last_manager,
        },
        registration: None,
        decision,
        outcome: None,
        launch_plans: None,
    }
}

fn allowed(order: &Order) -> Decision<'_> {
    Decision {
        allowed: true,
        rule: &order.rule,
    }
}
