//! Failures on request.

use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::counters::Call;

/// What happens to a call that a rule matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// The call fails and does nothing. `code` is the number of a gRPC code.
    Fail {
        /// Number of the gRPC code.
        code: i32,
        /// Its text.
        #[serde(default)]
        message: String,
    },
    /// The call is never answered and does nothing.
    Hang,
    /// The call does its work and fails with `Unavailable`.
    LostAnswer,
    /// The call is answered as many milliseconds later.
    DelayMs(u64),
    /// The call goes as if others raced it.
    ///
    /// - An activation leaves the version that was active as it is, and its schedule running
    ///   (`UpdateLaunchPlan` in `launch_plan_manager.go` looks before its transaction). Of 20
    ///   rounds of four callers on a real server, 20 ended so.
    /// - A `CreateWorkflow` or `CreateLaunchPlan` looks for its row when it arrives, and writes
    ///   [`RACE`] later: those of one id that overlap do not see each other. All write the
    ///   closure and one the row, while the others are told `AlreadyExists`, whatever their
    ///   structure (`CreateWorkflow` in `workflow_manager.go`). Of 20 rounds of six callers, 15
    ///   left the closure of a loser.
    Raced,
    /// The call fails between two writes, neither of which is taken back.
    ///
    /// - An activation: after the running schedule was switched off.
    /// - A `CreateWorkflow`: after the row of its description, if it has one. From then on each
    ///   Create with a description fails, as a call's deadline in that moment also makes it
    ///   (`WorkflowRepo.Create` in `gormimpl/workflow_repo.go`: its transaction is not used).
    /// - A `CreateTask`: before that of its description (`TaskRepo.Create` in
    ///   `gormimpl/task_repo.go`).
    HalfDone,
    /// The message of an error is cut after so many bytes, also within a character, and
    /// loses its details: what `TransformAndRecordError` in `rpc/adminservice/util` does to
    /// those of over 32,000 bytes.
    Truncated(usize),
}

/// How long a raced Create is between its look and its writes.
pub const RACE: Duration = Duration::from_millis(250);

/// What befalls a call on its way through the stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// See [`Action::Raced`].
    Raced,
    /// See [`Action::HalfDone`].
    HalfDone,
}

/// Which calls fail. Absent fields match anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// Name of the method, as `CreateTask`.
    pub rpc: Option<String>,
    /// Project.
    pub project: Option<String>,
    /// Domain.
    pub domain: Option<String>,
    /// Name of the entity.
    pub name: Option<String>,
    /// Version of the entity.
    pub version: Option<String>,
    /// What happens.
    pub action: Action,
    /// To how many calls; absent: to all.
    pub count: Option<u64>,
}

impl Rule {
    fn matches(&self, call: &Call) -> bool {
        let part =
            |want: &Option<String>, have: &str| want.as_deref().is_none_or(|want| want == have);
        part(&self.rpc, &call.rpc)
            && part(&self.project, &call.project)
            && part(&self.domain, &call.domain)
            && part(&self.name, &call.name)
            && part(&self.version, &call.version)
    }
}

/// The rules; the first that matches and is not used up counts.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Vec<Rule>>);

impl Faults {
    /// Adds rules after those that are there.
    pub fn add(&self, rules: Vec<Rule>) {
        self.0.lock().extend(rules);
    }

    /// Forgets all rules.
    pub fn clear(&self) {
        self.0.lock().clear();
    }

    /// The rules and what is left of them.
    pub fn rules(&self) -> Vec<Rule> {
        self.0.lock().clone()
    }

    /// What happens to this call.
    pub fn next(&self, call: &Call) -> Option<Action> {
        let mut rules = self.0.lock();
        let rule = rules
            .iter_mut()
            .find(|rule| rule.count != Some(0) && rule.matches(call))?;
        if let Some(count) = &mut rule.count {
            *count -= 1;
        }
        Some(rule.action.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::{Action, Call, Faults, Rule};

    fn rule(json: &str) -> Rule {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn rules_match_by_what_they_name_and_are_used_up() {
        let faults = Faults::default();
        faults.add(vec![
            rule(r#"{"rpc": "CreateTask", "name": "a", "action": "hang", "count": 1}"#),
            rule(r#"{"rpc": "CreateTask", "action": {"fail": {"code": 14}}}"#),
        ]);
        let call = |name: &str| Call {
            rpc: "CreateTask".to_owned(),
            name: name.to_owned(),
            ..Call::default()
        };
        let fail = Action::Fail {
            code: 14,
            message: String::new(),
        };
        assert_eq!(faults.next(&call("b")), Some(fail.clone()));
        assert_eq!(faults.next(&call("a")), Some(Action::Hang));
        assert_eq!(faults.next(&call("a")), Some(fail));
        assert_eq!(faults.next(&Call::default()), None);
    }

    #[test]
    fn actions_read_as_documented() {
        let actions = r#"["lostAnswer", {"delayMs": 5}, "raced", "halfDone", {"truncated": 9}]"#;
        let actions: Vec<Action> = serde_json::from_str(actions).unwrap();
        assert_eq!(
            actions,
            [
                Action::LostAnswer,
                Action::DelayMs(5),
                Action::Raced,
                Action::HalfDone,
                Action::Truncated(9),
            ]
        );
    }
}
