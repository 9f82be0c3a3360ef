//! Kubernetes Events: one whenever the reason of the condition `Ready` changes.

use flyte_registration_crd::{Nature, Reason, bounded};
use serde_json::Value;

/// Longest note that API servers take, in bytes.
const NOTE_MAX: usize = 1024;
/// Longest reason that they take, in bytes.
const REASON_MAX: usize = 128;

/// An Event to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// Whether somebody may have to act.
    pub warning: bool,
    /// The reason of the condition `Ready`.
    pub reason: String,
    /// Its message.
    pub note: String,
}

/// The Event that is due when `status` takes the place of one whose reason was `before`.
pub fn announcement(before: Option<&str>, status: &Value) -> Option<Announcement> {
    let ready = condition(status, "Ready")?;
    let reason = ready["reason"].as_str().filter(|it| !it.is_empty())?;
    if before == Some(reason) {
        return None;
    }
    let stalled = condition(status, "Stalled").is_some_and(|it| it["status"] == "True");
    Some(Announcement {
        warning: stalled || is_failure(reason),
        reason: bounded(reason, REASON_MAX),
        note: bounded(ready["message"].as_str().unwrap_or_default(), NOTE_MAX),
    })
}

fn condition<'a>(status: &'a Value, type_: &str) -> Option<&'a Value> {
    let conditions = status["conditions"].as_array()?;
    conditions.iter().find(|it| it["type"] == type_)
}

/// A reason of a newer hub is none that we know; then `Stalled` alone decides.
fn is_failure(reason: &str) -> bool {
    let known = Reason::ALL.iter().find(|it| it.as_str() == reason);
    known.is_some_and(|it| matches!(it.nature(), Nature::Retried | Nature::Stalled))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(reason: &str, stalled: &str) -> Value {
        json!({"conditions": [
            {"type": "Ready", "status": "False", "reason": reason, "message": "m"},
            {"type": "Stalled", "status": stalled, "reason": reason},
        ]})
    }

    #[test]
    fn only_transitions_are_announced() {
        assert_eq!(
            announcement(Some("Queued"), &status("Queued", "False")),
            None
        );
        assert_eq!(announcement(None, &json!({})), None);
        let first = announcement(None, &status("Queued", "False")).unwrap();
        assert_eq!(
            first,
            Announcement {
                warning: false,
                reason: "Queued".into(),
                note: "m".into()
            }
        );
    }

    #[test]
    fn failures_warn() {
        let warns = |reason, stalled| {
            announcement(None, &status(reason, stalled))
                .unwrap()
                .warning
        };
        assert!(!warns("Registered", "False"));
        assert!(!warns("Suspended", "False"));
        assert!(warns("PackageNotFound", "False"));
        assert!(warns("Denied", "True"));
        assert!(warns("OfANewerHub", "True"));
        assert!(!warns("OfANewerHub", "False"));
    }

    #[test]
    fn notes_are_as_long_as_api_servers_take() {
        let status = json!({"conditions": [{"type": "Ready", "reason": "Denied", "message": "ä".repeat(2000)}]});
        assert!(announcement(None, &status).unwrap().note.len() <= NOTE_MAX);
    }
}
