use std::collections::HashMap;

use flyte_registration_crd::EntityType;
use flyte_registration_proto::flyteidl::{
    admin::{LaunchPlanSpec, schedule},
    core::{
        self, Identifier, Parameter, RetryStrategy, SimpleType, TaskTemplate, Variable, parameter,
        resources::ResourceName,
    },
    descriptor_pool,
};
use proptest::prelude::*;
use prost::Message;
use prost_reflect::DynamicMessage;

use super::*;

use builder::*;

mod builder;

/// What must never be told.
const SECRET: &str = "s3cr3t";
#[test]
fn what_is_on_the_list_is_shown() {
    let (old, mut new) = (task("same"), task("same"));
    let inputs = new.interface.as_mut().unwrap().inputs.as_mut().unwrap();
    *inputs = variables([
        ("limit", simple(SimpleType::String)),
        ("names", list(list(simple(SimpleType::String)))),
        ("more", simple(SimpleType::Boolean)),
    ]);
    new.metadata.as_mut().unwrap().retries = Some(RetryStrategy { retries: 5 });
    let changed = container(&mut new);
    changed.image = "ghcr.io/a:v2".to_owned();
    changed.command.push("now".to_owned());
    let resources = changed.resources.as_mut().unwrap();
    resources.requests = vec![entry(ResourceName::Cpu, "2"), entry(ResourceName::Gpu, "1")];
    resources.limits = vec![entry(ResourceName::Cpu, "4")];
    insta::assert_snapshot!(lines(&tasks(&old, &new)));
}

#[test]
fn secrets_are_never_told() {
    let other = format!("{SECRET}-other");
    let explained = [
        tasks(&task(SECRET), &task(&other)),
        // Only on one side, and more of them.
        tasks(&TaskTemplate::default(), &task(SECRET)),
        tasks(&task(SECRET), &TaskTemplate::default()),
        launch_plans(&launch_plan(SECRET), &launch_plan(&other)),
        launch_plans(&LaunchPlanSpec::default(), &launch_plan(SECRET)),
    ];
    for explanation in &explained {
        let text = format!("{explanation:?} {}", explanation.brief(1000));
        assert!(!explanation.differences.is_empty());
        assert!(!text.contains(SECRET), "{text}");
    }
    insta::assert_snapshot!(
        explained
            .iter()
            .map(lines)
            .collect::<Vec<_>>()
            .join("\n---\n")
    );
}

#[test]
fn an_image_with_a_password_is_not_shown() {
    for image in [
        "user:s3cr3t@ghcr.io/a:v1",
        "ghcr.io/a:v1?token=s3cr3t",
        "https://user:s3cr3t@ghcr.io/a",
    ] {
        let (old, mut new) = (task(""), task(""));
        container(&mut new).image = image.to_owned();
        assert_eq!(lines(&tasks(&old, &new)), "container.image changed");
    }
    let digest = format!("ghcr.io/a@sha256:{}", "0".repeat(20));
    let (old, mut new) = (task(""), task(""));
    container(&mut new).image.clone_from(&digest);
    let expected = format!("container.image ghcr.io/a:v1 → {digest}");
    assert_eq!(lines(&tasks(&old, &new)), expected);
}

#[test]
fn lists_that_grow_shrink_or_turn_are_told() {
    let (old, mut new) = (task("x"), task("x"));
    let changed = container(&mut new);
    changed.args.push("--more".to_owned());
    changed.env.reverse();
    changed.config.clear();
    let expected = "container.args changed, 2 → 3 entries\ncontainer.env reordered\ncontainer.config[key] removed";
    assert_eq!(lines(&tasks(&old, &new)), expected);
}

#[test]
fn workflows_are_compared_node_by_node() {
    let first = node("n0", "etl.extract", "v1");
    let mut second = node("n1", "etl.load", "v1");
    second.inputs = vec![bound("token", SECRET)];
    let old = workflow("etl.main", &[first.clone(), second.clone()]);
    second.inputs = vec![bound("token", "other")];
    let mut new = workflow(
        "etl.main",
        &[
            node("n0", "etl.extract2", "v2"),
            second,
            node("n2", "etl.more", "v1"),
        ],
    );
    new.metadata_defaults = Some(core::WorkflowMetadataDefaults {
        interruptible: true,
    });
    let embedded = [workflow("etl.a", &[]), workflow("etl.b", &[])];
    let others = [workflow("etl.b", &[first]), workflow("etl.c", &[])];
    let explained = workflows((&old, &embedded), (&new, &others));
    assert!(!format!("{explained:?}").contains(SECRET));
    insta::assert_snapshot!(lines(&explained));
    // Neither the nodes that the compiler adds nor the order of nodes count.
    let mut turned = old.clone();
    turned.nodes.reverse();
    assert_eq!(
        workflows((&old, &embedded), (&turned, &embedded)),
        Explanation::default()
    );
}

#[test]
fn schedules_and_references_of_launch_plans_are_shown() {
    let (old, mut new) = (launch_plan("x"), launch_plan("x"));
    let metadata = new.entity_metadata.as_mut().unwrap();
    metadata.schedule.as_mut().unwrap().schedule_expression = Some(
        schedule::ScheduleExpression::CronExpression("5 * * * *".to_owned()),
    );
    new.workflow_id = Some(Identifier {
        project: "p".to_owned(),
        domain: "d".to_owned(),
        name: "etl.main".to_owned(),
        version: "v2".to_owned(),
        ..Identifier::default()
    });
    let expected = "workflow_id added: p:d:etl.main:v2\n\
                    entity_metadata.schedule.cron_expression 0 * * * * → 5 * * * *";
    assert_eq!(lines(&launch_plans(&old, &new)), expected);
    new = launch_plan("x");
    new.entity_metadata.as_mut().unwrap().schedule = None;
    let expected = "entity_metadata.schedule.cron_expression removed: 0 * * * *";
    assert_eq!(lines(&launch_plans(&old, &new)), expected);
}

#[test]
fn inputs_that_flyteadmin_fills_in_are_no_difference() {
    let required = Parameter {
        var: Some(Variable::default()),
        behavior: Some(parameter::Behavior::Required(true)),
    };
    let filled_in = |plan: &LaunchPlanSpec| {
        let mut plan = plan.clone();
        let inputs = plan.default_inputs.get_or_insert_default();
        inputs
            .parameters
            .insert("open".to_owned(), required.clone());
        plan
    };
    let mut plan = launch_plan("x");
    assert_eq!(
        launch_plans(&filled_in(&plan), &plan),
        Explanation::default()
    );
    plan.default_inputs = None;
    assert_eq!(
        launch_plans(&filled_in(&plan), &plan),
        Explanation::default()
    );
    // Inputs with a value are not FlyteAdmin's.
    let text = lines(&launch_plans(&launch_plan("x"), &plan));
    assert_eq!(text, "default_inputs removed");
}

#[test]
fn the_most_telling_comes_first_and_the_rest_is_counted() {
    let (old, mut new) = (task("x"), task("y"));
    container(&mut new).image = "ghcr.io/a:v2".to_owned();
    let explanation = tasks(&old, &new);
    let brief = explanation.brief(120);
    let begin = "container.image ghcr.io/a:v1 → ghcr.io/a:v2; metadata.";
    assert!(brief.starts_with(begin), "{brief}");
    assert!(brief.ends_with(" others"), "{brief}");
    assert!(brief.len() <= 120, "{brief}");
    assert_eq!(Explanation::default().brief(100), "");
}

#[test]
fn bounds() {
    // Many, long and deep: what is told stays short.
    let mut new = task("x");
    let long = |n: usize| format!("{n}{}", "x\n\u{202e}".repeat(5000));
    container(&mut new).env = (0..1000).map(|n| pair(&long(n), "x")).collect();
    container(&mut new).command = vec!["x".repeat(100_000)];
    let explanation = tasks(&task("x"), &new);
    assert!(explanation.more);
    assert_eq!(explanation.differences.len(), DIFFERENCES_MAX);
    for difference in &explanation.differences {
        let line = difference.to_string();
        assert!(line.len() < 700, "{line}");
        assert!(!line.contains(['\n', '\u{202e}']), "{line}");
    }
    assert!(explanation.brief(300).len() <= 300);

    let mut deep = simple(SimpleType::Integer);
    for _ in 0..60 {
        deep = list(deep);
    }
    let mut new = task("x");
    new.interface.as_mut().unwrap().inputs = Some(variables([
        ("limit", deep),
        ("names", list(simple(SimpleType::String))),
    ]));
    assert!(lines(&tasks(&task("x"), &new)).len() < 300);
}

fn any_task() -> impl Strategy<Value = TaskTemplate> {
    let text = "[a-z\\PC]{0,6}";
    let words = proptest::collection::vec(text, 0..4);
    let pairs = proptest::collection::vec((text, text), 0..4);
    let map = proptest::collection::hash_map(text, text, 0..4);
    let number = any::<f64>();
    let fields = (text, words.clone(), words, pairs, map, number, any::<u32>());
    fields.prop_map(|(image, command, args, env, config, number, retries)| {
        let number = prost_types::Value {
            kind: Some(prost_types::value::Kind::NumberValue(number)),
        };
        let secret = |text: String| format!("{SECRET}{text}");
        let mut template = task(SECRET);
        template.custom = Some(prost_types::Struct {
            fields: [("n".to_owned(), number)].into(),
        });
        template.config = config
            .into_iter()
            .map(|(key, value)| (key, secret(value)))
            .collect::<HashMap<_, _>>();
        template.metadata.as_mut().unwrap().retries = Some(RetryStrategy { retries });
        let container = container(&mut template);
        (container.image, container.command) = (image, command);
        container.args = args.into_iter().map(secret).collect();
        container.env = env
            .into_iter()
            .map(|(key, value)| pair(&key, &secret(value)))
            .collect();
        template
    })
}

proptest! {
    #[test]
    fn equal_tasks_have_no_difference(template in any_task()) {
        prop_assert_eq!(tasks(&template, &template), Explanation::default());
    }

    #[test]
    fn different_tasks_have_some_and_never_show_a_secret(old in any_task(), new in any_task()) {
        let explanation = tasks(&old, &new);
        let equal = dynamic("flyteidl.core.TaskTemplate", &old)
            == dynamic("flyteidl.core.TaskTemplate", &new);
        // A number that is none is not equal to itself.
        prop_assert!(!equal || explanation.differences.is_empty());
        prop_assert_eq!(explanation.differences.is_empty(), old.encoded_len() == new.encoded_len() && same::messages(
            &dynamic("flyteidl.core.TaskTemplate", &old),
            &dynamic("flyteidl.core.TaskTemplate", &new),
        ));
        let text = format!("{explanation:?}");
        prop_assert!(!text.contains(SECRET));
        prop_assert_eq!(&explanation, &tasks(&old, &new));
    }

    #[test]
    fn no_bytes_panic(
        old in proptest::collection::vec(any::<u8>(), 0..200),
        new in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        for (kind, name) in [
            (EntityType::Task, "flyteidl.admin.Task"),
            (EntityType::Workflow, "flyteidl.admin.Workflow"),
            (EntityType::LaunchPlan, "flyteidl.admin.LaunchPlan"),
        ] {
            let descriptor = descriptor_pool().get_message_by_name(name).unwrap();
            if let Ok(held) = DynamicMessage::decode(descriptor, old.as_slice()) {
                let _ = explain(kind, &new.clone().into(), &held);
            }
        }
    }
}
