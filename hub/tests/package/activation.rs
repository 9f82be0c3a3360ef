use flyte_registration_crd::Reason;
use flyte_registration_fixtures::builder::{Files, launch_plan, runs, task, workflow};
use flyte_registration_hub::package::{Activation, Options, PackageError, Plan};
use flyte_registration_proto::flyteidl::{
    admin::{
        AuthRole, CronSchedule, FixedRate, LaunchPlan, LaunchPlanCreateRequest, LaunchPlanMetadata,
        LaunchPlanSpec, Schedule, schedule::ScheduleExpression,
    },
    core::{Identity, Secret, SecurityContext},
};
use prost::Message;

use super::plan_all;

fn scheduled(name: &str, expression: ScheduleExpression) -> LaunchPlan {
    let mut plan = launch_plan(name, "etl.flow");
    plan.spec.as_mut().unwrap().entity_metadata = Some(LaunchPlanMetadata {
        schedule: Some(Schedule {
            schedule_expression: Some(expression),
            ..Schedule::default()
        }),
        ..LaunchPlanMetadata::default()
    });
    plan
}

fn cron(text: &str) -> ScheduleExpression {
    ScheduleExpression::CronSchedule(CronSchedule {
        schedule: text.to_owned(),
        ..CronSchedule::default()
    })
}

fn files() -> Files {
    let rate = |value| {
        ScheduleExpression::Rate(FixedRate {
            value,
            ..FixedRate::default()
        })
    };
    Files::default()
        .task(&task("etl.a"))
        .workflow(&workflow("etl.flow", [runs("etl.a")]))
        .launch_plan(&launch_plan("etl.flow", "etl.flow"))
        .launch_plan(&scheduled("nightly", cron("0 2 * * *")))
        .launch_plan(&scheduled("often", rate(5)))
        .launch_plan(&scheduled("empty", cron("")))
        .launch_plan(&scheduled("never", rate(0)))
}

fn chosen(files: &Files, activation: &Activation) -> Result<Vec<(String, bool)>, PackageError> {
    let plan = plan_all(&files.package()).unwrap();
    let chosen = plan.chosen(activation)?;
    let name = |index: usize| plan.entities[index].id.name.clone();
    let mut chosen: Vec<_> = chosen
        .into_iter()
        .map(|one| (name(one.index), one.scheduled))
        .collect();
    chosen.sort();
    Ok(chosen)
}

fn named(names: &[&str]) -> Activation {
    Activation::Named(names.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn only_what_is_asked_for_is_chosen() {
    let files = files();
    let of = |activation| chosen(&files, &activation).unwrap();
    let one = |name: &str, scheduled| (name.to_owned(), scheduled);
    assert_eq!(of(Activation::None), []);
    assert_eq!(
        of(Activation::Scheduled),
        [one("nightly", true), one("often", true)]
    );
    assert_eq!(
        of(Activation::All),
        [
            one("empty", false),
            one("etl.flow", false),
            one("never", false),
            one("nightly", true),
            one("often", true),
        ]
    );
    assert_eq!(
        of(named(&["etl.flow", "often"])),
        [one("etl.flow", false), one("often", true)]
    );
}

#[test]
fn names_that_the_package_lacks_are_told() {
    let error = chosen(&files(), &named(&["nightly", "weekly"])).unwrap_err();
    assert_eq!(error.reason(), Reason::InvalidSpec);
    assert_eq!(
        error.to_string(),
        "spec.launchPlans.names: the package holds no launch plan weekly; it holds empty, \
         etl.flow, never, nightly, often"
    );
    // A workflow's name is none.
    assert!(chosen(&Files::default().task(&task("a")), &named(&["a"])).is_err());
}

#[test]
fn a_schedule_that_flyteadmin_cannot_activate_is_found_before() {
    let old = ScheduleExpression::CronExpression("0 2 * * *".to_owned());
    let files = files().launch_plan(&scheduled("old", old));
    for activation in [Activation::Scheduled, Activation::All, named(&["old"])] {
        let error = chosen(&files, &activation).unwrap_err();
        assert_eq!(error.reason(), Reason::PackageInvalid);
        assert!(error.to_string().starts_with("launch plan old cannot be"));
    }
    assert_eq!(chosen(&files, &named(&["nightly"])).unwrap().len(), 1);
}

fn spec_of(plan: &Plan, name: &str) -> LaunchPlanSpec {
    let entity = plan.entities.iter().find(|one| one.id.name == name);
    let request = LaunchPlanCreateRequest::decode(entity.unwrap().request.clone());
    request.unwrap().spec.unwrap()
}

#[test]
fn options_replace_wholesale_and_leave_the_rest() {
    let mut own = scheduled("own", cron("0 2 * * *"));
    let spec = own.spec.as_mut().unwrap();
    spec.max_parallelism = 7;
    spec.auth_role = Some(AuthRole {
        assumable_iam_role: "theirs".to_owned(),
        ..AuthRole::default()
    });
    spec.security_context = Some(SecurityContext {
        run_as: None,
        secrets: vec![Secret::default()],
        tokens: Vec::new(),
    });
    let files = files().launch_plan(&own);
    let before = plan_all(&files.package()).unwrap();
    let mut plan = before.clone();
    plan.apply(&Options {
        service_account: Some("runner".to_owned()),
        ..Options::default()
    })
    .unwrap();
    let expected = LaunchPlanSpec {
        auth_role: Some(AuthRole {
            kubernetes_service_account: "runner".to_owned(),
            ..AuthRole::default()
        }),
        security_context: Some(SecurityContext {
            run_as: Some(Identity {
                k8s_service_account: "runner".to_owned(),
                ..Identity::default()
            }),
            ..SecurityContext::default()
        }),
        ..spec_of(&before, "own")
    };
    assert_eq!(spec_of(&plan, "own"), expected);
    assert_eq!(expected.max_parallelism, 7);

    let mut unchanged = before.clone();
    unchanged.apply(&Options::default()).unwrap();
    for (one, other) in before.entities.iter().zip(&unchanged.entities) {
        assert_eq!(one.request, other.request);
    }
}
