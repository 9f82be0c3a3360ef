//! Conditions, from a reason.

use flyte_registration_crd::{
    Condition, ConditionStatus, ConditionType, MESSAGE_MAX, Nature, Reason, bounded,
};
use jiff::Timestamp;

/// The conditions shown last, for the times of their transitions.
#[derive(Debug, Default)]
pub(super) struct Conditions(Vec<Condition>);

impl Conditions {
    pub(super) fn next(
        &mut self,
        reason: Reason,
        message: &str,
        generation: i64,
        at: Timestamp,
    ) -> Vec<Condition> {
        use ConditionStatus::{False, True, Unknown};
        let [ready, reconciling, stalled] = match reason.nature() {
            Nature::Done => [True, False, False],
            Nature::Progressing => [Unknown, True, False],
            Nature::Retried => [False, True, False],
            Nature::Stalled => [False, False, True],
            Nature::Idle => [False, False, False],
        };
        let types = [
            (ConditionType::Ready, ready),
            (ConditionType::Reconciling, reconciling),
            (ConditionType::Stalled, stalled),
        ];
        let conditions: Vec<Condition> = types
            .into_iter()
            .map(|(type_, status)| Condition {
                type_,
                status,
                reason,
                message: said(type_, status, message),
                last_transition_time: self.since(type_, status).unwrap_or_else(|| seconds(at)),
                observed_generation: generation,
            })
            .collect();
        self.0.clone_from(&conditions);
        conditions
    }

    fn since(&self, type_: ConditionType, status: ConditionStatus) -> Option<String> {
        let last = self.0.iter().find(|condition| condition.type_ == type_)?;
        (last.status == status).then(|| last.last_transition_time.clone())
    }
}

/// `Ready` always says why; that something is not the matter needs no words.
fn said(type_: ConditionType, status: ConditionStatus, message: &str) -> String {
    if type_ == ConditionType::Ready || status == ConditionStatus::True {
        bounded(message, MESSAGE_MAX)
    } else {
        String::new()
    }
}

/// As `metav1.Time` has it.
fn seconds(at: Timestamp) -> String {
    format!("{at:.0}")
}
