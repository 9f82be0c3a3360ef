//! What the agent itself lays over a status while it cannot reach the hub.

use flyte_registration_crd::Reason;
use serde_json::{Map, Value, json};

/// Why nothing comes from the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Away {
    /// It cannot be reached.
    Unreachable,
    /// It does not let the agent in.
    Refusing,
}

impl Away {
    /// What tenants read.
    pub fn message(self) -> &'static str {
        match self {
            Self::Unreachable => {
                "the cluster's agent cannot reach the hub; it goes on as soon as it can"
            }
            Self::Refusing => {
                "the hub does not let the cluster's agent in; the platform team has to mend that"
            }
        }
    }
}

/// `status` with the conditions that say that the hub is `away`, made for `generation` at `now`
/// (RFC 3339). All else in it stays as it is, `observedGeneration` included: what it tells is
/// about the generation that the hub has seen.
pub fn overlay(status: Option<&Value>, away: Away, generation: i64, now: &str) -> Value {
    let mut status = match status {
        Some(Value::Object(fields)) => fields.clone(),
        _ => Map::new(),
    };
    let before = status.remove("conditions").unwrap_or_default();
    let condition = |type_: &str, holds: &str| {
        let same = before
            .as_array()
            .into_iter()
            .flatten()
            .find(|it| it["type"] == type_ && it["status"] == holds);
        let since = same
            .and_then(|it| it["lastTransitionTime"].as_str())
            .unwrap_or(now);
        json!({
            "type": type_,
            "status": holds,
            "reason": Reason::HubUnreachable.as_str(),
            "message": away.message(),
            "lastTransitionTime": since,
            "observedGeneration": generation,
        })
    };
    let conditions = [
        condition("Ready", "False"),
        condition("Reconciling", "True"),
        condition("Stalled", "False"),
    ];
    status.insert("conditions".to_owned(), conditions.into_iter().collect());
    Value::Object(status)
}

#[cfg(test)]
mod tests {
    use flyte_registration_crd::FlyteRegistrationStatus;

    use super::*;

    const NOW: &str = "2026-02-01T00:00:00Z";

    #[test]
    fn a_bare_object_gets_three_conditions() {
        let status = overlay(None, Away::Unreachable, 3, NOW);
        let typed: FlyteRegistrationStatus = serde_json::from_value(status.clone()).unwrap();
        assert_eq!(typed.conditions.len(), 3);
        assert_eq!(typed.observed_generation, None);
        assert!(
            typed
                .conditions
                .iter()
                .all(|it| it.observed_generation == 3 && it.reason == Reason::HubUnreachable)
        );
        assert_eq!(status["conditions"][0]["status"], "False");
        assert_eq!(status["conditions"][1]["status"], "True");
        assert_eq!(status["conditions"][2]["status"], "False");
    }

    #[test]
    fn all_else_stays_and_so_does_the_time_of_what_did_not_change() {
        let before = json!({
            "observedGeneration": 2, "receipt": "r", "future": [1],
            "conditions": [
                {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"},
                {"type": "Stalled", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"},
                {"type": "SomebodyElses", "status": "True"},
            ],
        });
        let after = overlay(Some(&before), Away::Refusing, 3, NOW);
        assert_eq!(after["observedGeneration"], 2);
        assert_eq!(
            (&after["receipt"], &after["future"]),
            (&json!("r"), &json!([1]))
        );
        assert_eq!(
            after["conditions"].as_array().unwrap().len(),
            3,
            "others are not ours to apply"
        );
        let message = after["conditions"][0]["message"].as_str().unwrap();
        assert!(message.contains("does not let"), "{message}");
        assert_eq!(after["conditions"][0]["lastTransitionTime"], NOW);
        assert_eq!(
            after["conditions"][2]["lastTransitionTime"],
            "2026-01-01T00:00:00Z"
        );
    }
}
