use super::*;
use crate::package::{Id, Target};

fn plan() -> Plan {
    let planned = |kind, name: &str, needs: &[usize]| Planned {
        kind,
        id: Id {
            project: "p".to_owned(),
            domain: "d".to_owned(),
            name: name.to_owned(),
            version: "v1".to_owned(),
        },
        request: bytes::Bytes::new(),
        needs: needs.to_vec(),
        uses_code: false,
    };
    Plan {
        target: Target {
            project: "p".to_owned(),
            domain: "d".to_owned(),
            version: "v1".to_owned(),
        },
        entities: vec![
            planned(EntityType::Task, "a", &[]),
            planned(EntityType::Task, "b", &[]),
            planned(EntityType::Workflow, "w", &[0, 1]),
            planned(EntityType::LaunchPlan, "w", &[2]),
        ],
        external: Vec::new(),
        code: None,
        create_project: false,
    }
}

fn failed(reason: Reason, message: &str) -> Outcome {
    Outcome::Failed(Trouble {
        reason,
        message: message.to_owned(),
    })
}

#[test]
fn all_is_well() {
    let created = Outcome::Created;
    let outcomes = vec![
        Outcome::Unchanged,
        created.clone(),
        created.clone(),
        created,
    ];
    let report = Report::new(&plan(), outcomes);
    assert_eq!(report.failure, None);
    let counts = Counts {
        tasks: 2,
        workflows: 1,
        launch_plans: 1,
        created: 3,
        unchanged: 1,
        ..Counts::default()
    };
    assert_eq!(report.counts, counts);
}

#[test]
fn what_is_final_is_told_before_what_may_pass() {
    let outcomes = vec![
        failed(Reason::FlyteUnavailable, "down"),
        failed(Reason::VersionConflict, "other"),
        Outcome::Skipped(0),
        Outcome::Skipped(0),
    ];
    let report = Report::new(&plan(), outcomes);
    let failure = report.failure.unwrap();
    assert_eq!(failure.reason, Reason::VersionConflict);
    assert_eq!(
        failure.message,
        "version v1 is registered with other content: task b: other; register a new version"
    );
    assert_eq!(report.counts.failed, 2);
    assert_eq!(report.entities[2].message.as_deref(), Some("task a failed"));
    let actions: Vec<_> = report.entities.iter().map(|one| one.action).collect();
    assert!(actions.is_sorted(), "{actions:?}");
}

#[test]
fn what_was_not_tried_is_no_success() {
    let report = Report::new(&plan(), vec![Outcome::NotTried; 4]);
    assert_eq!(report.failure.unwrap().reason, Reason::FlyteUnavailable);
    assert_eq!(report.counts.failed, 0);
}

#[test]
fn messages_are_bounded() {
    let long = failed(Reason::FlyteRejected, &"x".repeat(5000));
    let report = Report::new(&plan(), vec![long; 4]);
    let message = report.failure.unwrap().message;
    assert!(message.len() <= MESSAGE_MAX);
    assert!(message.starts_with("task a, task b, workflow w, launch plan w: xxx"));
}

#[test]
fn more_than_fit_are_counted() {
    let mut plan = plan();
    let task = plan.entities[0].clone();
    plan.entities = vec![task; 8];
    let outcomes = vec![failed(Reason::FlyteRejected, "no"); 8];
    let message = Report::new(&plan, outcomes).failure.unwrap().message;
    assert_eq!(
        message,
        "task a, task a, task a, task a, task a and 3 more: no"
    );
}
