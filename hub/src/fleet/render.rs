//! Statuses, from what an entry knows. Pure.

use bytes::Bytes;
use flyte_registration_crd::{
    Counts, ENTITIES_MAX, Entity, FlyteRegistrationStatus, Reason, Registration, bounded, canonical,
};
use jiff::Timestamp;

use super::{Now, Order, Policy, entry::Entry};
use crate::{receipt, registrar::Activated};

/// Longest message of one entity, in bytes.
const ENTITY_MESSAGE_MAX: usize = 256;
/// Most bytes that activations take in a receipt.
const ACTIVATIONS_MAX: usize = 2048;

/// What a resource should show.
#[derive(Debug)]
pub(super) enum Shown {
    /// Nothing: it is not ours to say anything about it.
    Nothing,
    /// This.
    Status {
        /// Its reason.
        reason: Reason,
        /// The whole, as JSON.
        json: Bytes,
        /// Its `canonical::status_hash`, which leaves the receipt out.
        hash: Vec<u8>,
        /// Its receipt; empty for none.
        receipt: String,
    },
    /// What it showed when the receipt was issued.
    Receipt(Box<receipt::Payload>),
}

impl Shown {
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Nothing => None,
            Self::Status { reason, .. } => Some(*reason),
            Self::Receipt(payload) => Some(payload.reason()),
        }
    }

    /// Whether an object with this status hash and receipt shows it.
    pub fn is_seen(&self, status_hash: &[u8], seen: &str) -> bool {
        match self {
            Self::Nothing => true,
            Self::Status { hash, receipt, .. } => hash == status_hash && receipt == seen,
            // The receipt is where the payload comes from.
            Self::Receipt(payload) => hex::encode(status_hash) == payload.status_hash,
        }
    }
}

/// The parts of a status that not every one has.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub counts: Option<Counts>,
    pub entities: Vec<Entity>,
    /// Go into the receipt only.
    pub activations: Vec<Activated>,
    pub completed_at: Option<Timestamp>,
    pub next_retry_at: Option<Timestamp>,
    pub flyte_admin: Option<String>,
}

impl Entry {
    /// Shows `reason` and `message`. A receipt for what was done before they stood against it stays.
    pub(super) fn show(&mut self, reason: Reason, message: &str, facts: Facts, now: Now) {
        let mut status = self.status(reason, message, facts, now.wall);
        status.receipt.clone_from(&self.receipt);
        self.shown = shown(reason, status);
        self.tell_from = None;
    }

    /// Shows that it is registered, with a receipt for it.
    pub(super) fn show_registered(
        &mut self,
        cluster: &str,
        order: &Order,
        facts: Facts,
        policy: &Policy,
        now: Now,
    ) {
        let counts = facts.counts.unwrap_or_default();
        let started_at = self.started_at.unwrap_or(now.wall);
        let payload = receipt::Payload {
            flyte_admin: order.flyte_admin.clone(),
            epoch: order.epoch.clone(),
            package: self.package.clone().unwrap_or_default(),
            counts,
            activations: recorded(facts.activations),
            started_at: millis(started_at),
            completed_at: millis(now.wall),
            attempts: self.attempts,
            request: self.observed.request.clone(),
            terms: order.fingerprint.clone(),
            found: None,
            status_hash: String::new(),
        };
        self.show_done(cluster, payload, facts.entities, policy, now.wall);
    }

    /// Shows what a receipt says was done. Its entities are not in the receipt.
    pub(super) fn show_receipt(
        &mut self,
        cluster: &str,
        payload: receipt::Payload,
        policy: &Policy,
    ) {
        let at = payload
            .completed_at
            .parse()
            .unwrap_or(Timestamp::UNIX_EPOCH);
        self.show_done(cluster, payload, Vec::new(), policy, at);
    }

    /// Shows `payload`, and issues a receipt for it.
    pub(super) fn show_done(
        &mut self,
        cluster: &str,
        mut payload: receipt::Payload,
        entities: Vec<Entity>,
        policy: &Policy,
        at: Timestamp,
    ) {
        self.attempts = payload.attempts;
        self.package = Some(payload.package.clone());
        self.started_at = payload.started_at.parse().ok();
        let facts = Facts {
            counts: Some(payload.counts),
            entities,
            completed_at: payload.completed_at.parse().ok(),
            flyte_admin: Some(payload.flyte_admin.clone()),
            ..Facts::default()
        };
        let reason = payload.reason();
        let message = match &payload.found {
            None => summary(payload.counts),
            Some(found) if payload.look_failed() => {
                let summary = summary(payload.counts);
                format!(
                    "{summary}; looking again: {}: {}",
                    found.reason, found.message
                )
            }
            Some(found) => found.message.clone(),
        };
        let mut status = self.status(reason, &message, facts, at);
        payload.status_hash = hex::encode(canonical::status_hash(
            serde_json::to_value(&status).ok().as_ref(),
        ));
        let receipt = policy
            .receipts
            .issue(self.observed.subject(cluster), &payload);
        status.receipt = Some(receipt.clone());
        self.receipt = Some(receipt);
        self.shown = shown(reason, status);
        self.tell_from = None;
    }

    fn status(
        &mut self,
        reason: Reason,
        message: &str,
        facts: Facts,
        at: Timestamp,
    ) -> FlyteRegistrationStatus {
        let generation = self.observed.generation;
        let registration = self.started_at.map(|started_at| Registration {
            flyte_admin: facts.flyte_admin,
            started_at: Some(millis(started_at)),
            completed_at: facts.completed_at.map(millis),
            attempts: self.attempts,
            next_retry_at: facts.next_retry_at.map(millis),
        });
        FlyteRegistrationStatus {
            observed_generation: Some(generation),
            conditions: self.conditions.next(reason, message, generation, at),
            package: self.package.clone(),
            registration,
            counts: facts.counts,
            entities: listed(facts.entities),
            last_handled_reconcile_at: self.observed.request.clone(),
            receipt: None,
        }
    }
}

fn shown(reason: Reason, status: FlyteRegistrationStatus) -> Shown {
    let receipt = status.receipt.clone().unwrap_or_default();
    // A status of ours is always JSON; an empty one would only be told again.
    let value = serde_json::to_value(status).unwrap_or_default();
    let hash = canonical::status_hash(Some(&value));
    Shown::Status {
        reason,
        json: Bytes::from(canonical::text(&value)),
        hash,
        receipt,
    }
}

/// The failed ones first, no more than fit.
fn listed(mut entities: Vec<Entity>) -> Vec<Entity> {
    entities.sort_by_key(|entity| entity.action);
    entities.truncate(ENTITIES_MAX);
    for entity in &mut entities {
        entity.message = entity
            .message
            .take()
            .map(|message| bounded(&message, ENTITY_MESSAGE_MAX));
    }
    entities
}

/// As many as a receipt has room for; the counts tell how many there are.
fn recorded(mut activations: Vec<Activated>) -> Vec<Activated> {
    let mut room = ACTIVATIONS_MAX;
    let fit = activations.iter().position(|activation| {
        let size = serde_json::to_vec(activation).map_or(usize::MAX, |json| json.len() + 1);
        room = room.saturating_sub(size);
        room == 0
    });
    activations.truncate(fit.unwrap_or(activations.len()));
    activations
}

fn summary(counts: Counts) -> String {
    let Counts {
        tasks,
        workflows,
        launch_plans,
        created,
        unchanged,
        activated,
        ..
    } = counts;
    let many =
        |number: u32, one: &str| format!("{number} {one}{}", if number == 1 { "" } else { "s" });
    let activated = match activated {
        0 => String::new(),
        number => format!(", {number} activated"),
    };
    format!(
        "{}, {} and {} are registered: {created} created, {unchanged} unchanged{activated}",
        many(tasks, "task"),
        many(workflows, "workflow"),
        many(launch_plans, "launch plan"),
    )
}

pub(super) fn millis(at: Timestamp) -> String {
    format!("{at:.3}")
}
