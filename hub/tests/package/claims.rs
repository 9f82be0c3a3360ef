//! What packages claim, wherever it stands in them.

use flyte_registration_fixtures::{builder, packages::FEATURES};
use flyte_registration_hub::package::{ClaimKind, Options, claims};
use flyte_registration_proto::flyteidl::{
    admin::{self, LaunchPlan, LaunchPlanSpec, TaskSpec},
    core::{
        Container, Identity, K8sObjectMetadata, K8sPod, ResourceType, SecurityContext,
        TaskNodeOverrides, TaskTemplate, node, task_template,
    },
};
use prost::Message;
use prost_reflect::{DeserializeOptions, DynamicMessage};
use serde_json::{Value, json};

use super::plan_all;

mod pods;

/// `entity: path: kind value`
fn told(package: &[u8]) -> Vec<String> {
    let claims = claims(&plan_all(package).unwrap()).unwrap();
    claims
        .iter()
        .map(|claim| format!("{:?} {claim}", claim.kind))
        .collect()
}

fn of_task(template: TaskTemplate) -> Vec<String> {
    let spec = TaskSpec {
        template: Some(TaskTemplate {
            id: Some(builder::id(ResourceType::Task, "t")),
            ..template
        }),
        ..TaskSpec::default()
    };
    let prefix = "task t: template.";
    let claims = told(&builder::package([("0_t_1.pb", spec.encode_to_vec())]));
    claims
        .into_iter()
        .map(|claim| claim.replacen(prefix, "", 1))
        .collect()
}

/// JSON as the `google.protobuf.Struct` that pod specs and `custom` are.
fn structure(value: &Value) -> prost_types::Struct {
    let pool = flyte_registration_proto::flyteidl::descriptor_pool();
    let kind = pool.get_message_by_name("google.protobuf.Struct").unwrap();
    let text = value.to_string();
    let mut json = serde_json::Deserializer::from_str(&text);
    let options = DeserializeOptions::new();
    let message = DynamicMessage::deserialize_with_options(kind, &mut json, &options).unwrap();
    prost_types::Struct::decode(message.encode_to_vec().as_slice()).unwrap()
}

fn pod(spec: &Value) -> K8sPod {
    K8sPod {
        pod_spec: Some(structure(spec)),
        ..K8sPod::default()
    }
}

fn of_custom(custom: &Value) -> Vec<String> {
    of_task(TaskTemplate {
        custom: Some(structure(custom)),
        ..TaskTemplate::default()
    })
}

fn run_as(account: &str, role: &str) -> SecurityContext {
    SecurityContext {
        run_as: Some(Identity {
            k8s_service_account: account.to_owned(),
            iam_role: role.to_owned(),
            ..Identity::default()
        }),
        ..SecurityContext::default()
    }
}

#[test]
fn a_task_claims_its_container_and_accounts() {
    let template = TaskTemplate {
        target: Some(task_template::Target::Container(Container {
            image: "ghcr.io/a:1".to_owned(),
            ..Container::default()
        })),
        security_context: Some(run_as("runner", "role")),
        ..TaskTemplate::default()
    };
    assert_eq!(
        of_task(template),
        [
            "Image container.image: ghcr.io/a:1",
            "IamRole security_context.run_as.iam_role: role",
            "ServiceAccount security_context.run_as.k8s_service_account: runner",
        ]
    );
}

#[test]
fn plugins_claim_what_is_in_their_custom() {
    for (custom, expected) in [
        (
            json!({"sparkConf": {
                "spark.kubernetes.container.image": "a",
                "spark.kubernetes.executor.container.image": "b",
                "spark.kubernetes.authenticate.driver.serviceAccountName": "s",
                "spark.kubernetes.driver.volumes.hostPath.x.options.path": "/",
                "spark.kubernetes.driver.podTemplateFile": "/f",
                "spark.executor.memory": "1G",
            }, "driverPod": {"podSpec": {"containers": [{"image": "c"}]}}}),
            vec![
                "Image",
                "ServiceAccount",
                "Image",
                "HostPath",
                "Privileged",
                "Image",
            ],
        ),
        (
            json!({"rayCluster": {"headGroupSpec": {"k8sPod": {"podSpec": {"containers": [{"image": "a"}]}}}}}),
            vec!["Image"],
        ),
        (
            json!({"ray_cluster": {"worker_group_spec": [{"k8s_pod": {"pod_spec": {"service_account_name": "a"}}}]}}),
            vec!["ServiceAccount"],
        ),
        (
            json!({"scheduler": {"image": "a"}, "workers": {"image": "b"}}),
            vec!["Image", "Image"],
        ),
        (
            json!({"workerReplicas": {"common": {"image": "a"}}}),
            vec!["Image"],
        ),
        (
            json!({"podSpec": {"containers": [{"image": "a"}]}}),
            vec!["Image"],
        ),
    ] {
        let mut claims = of_custom(&custom);
        let mut expected = expected;
        claims.sort_unstable();
        expected.sort_unstable();
        let kinds: Vec<_> = claims
            .iter()
            .filter_map(|claim| claim.split(' ').next())
            .collect();
        assert_eq!(kinds, expected, "{claims:?}");
    }
}

#[test]
fn overrides_of_nodes_count_at_any_depth() {
    let overridden = |image: &str, account: &str| {
        let mut node = builder::runs("t");
        if let node::Target::TaskNode(task) = &mut node {
            task.overrides = Some(TaskNodeOverrides {
                container_image: image.to_owned(),
                pod_template: Some(K8sPod {
                    metadata: Some(K8sObjectMetadata {
                        annotations: [("iam.amazonaws.com/role".to_owned(), "r".to_owned())].into(),
                        ..K8sObjectMetadata::default()
                    }),
                    ..pod(&json!({"serviceAccountName": account}))
                }),
                ..TaskNodeOverrides::default()
            });
        }
        node
    };
    let mut workflow = builder::workflow(
        "w",
        [builder::branches(
            builder::runs("t"),
            overridden("a", "s1"),
            builder::runs("t"),
        )],
    );
    workflow.sub_workflows = vec![builder::template(
        "inner",
        [builder::maps(overridden("b", "s2"))],
    )];
    let package = builder::package([
        ("0_t_1.pb", builder::task("t").encode_to_vec()),
        ("1_w_2.pb", workflow.encode_to_vec()),
    ]);
    let mut claims = told(&package);
    claims.sort_unstable();
    let starts = [
        "IamRole",
        "IamRole",
        "Image",
        "Image",
        "ServiceAccount",
        "ServiceAccount",
    ];
    assert_eq!(claims.len(), starts.len(), "{claims:?}");
    for (claim, start) in claims.iter().zip(starts) {
        assert!(
            claim.starts_with(start) && claim.contains("workflow w: "),
            "{claim}"
        );
    }
    assert!(
        claims[3].contains("nodes[n0].branch_node") && claims[3].ends_with(": a"),
        "{claims:?}"
    );
}

#[test]
fn launch_plans_claim_accounts_roles_and_places() {
    let plan = LaunchPlan {
        id: Some(builder::id(ResourceType::LaunchPlan, "l")),
        spec: Some(LaunchPlanSpec {
            workflow_id: Some(builder::id(ResourceType::Workflow, "elsewhere")),
            role: "r1".to_owned(),
            auth: Some(admin::Auth {
                assumable_iam_role: "r2".to_owned(),
                kubernetes_service_account: "s2".to_owned(),
            }),
            auth_role: Some(admin::AuthRole {
                assumable_iam_role: "r3".to_owned(),
                kubernetes_service_account: "s3".to_owned(),
            }),
            security_context: Some(run_as("s4", "r4")),
            raw_output_data_config: Some(admin::RawOutputDataConfig {
                output_location_prefix: "s3://b/p".to_owned(),
            }),
            annotations: Some(admin::Annotations {
                values: [("iam.amazonaws.com/role".to_owned(), "r5".to_owned())].into(),
            }),
            ..LaunchPlanSpec::default()
        }),
        ..LaunchPlan::default()
    };
    let package = builder::package([("0_l_3.pb", plan.encode_to_vec())]);
    let claims = told(&package);
    let count = |kind: &str| {
        claims
            .iter()
            .filter(|claim| claim.starts_with(kind))
            .count()
    };
    assert_eq!(
        (
            count("IamRole"),
            count("ServiceAccount"),
            count("RawOutput"),
            claims.len()
        ),
        (5, 3, 1, 9),
        "{claims:?}"
    );
    // What the spec asks for takes the place of what the package says, and is claimed itself.
    let mut planned = plan_all(&package).unwrap();
    planned
        .apply(&Options {
            service_account: Some("mine".to_owned()),
            ..Options::default()
        })
        .unwrap();
    let claims = flyte_registration_hub::package::claims(&planned).unwrap();
    let accounts = claims
        .iter()
        .filter(|claim| claim.kind == ClaimKind::ServiceAccount);
    let accounts: Vec<_> = accounts.map(|claim| claim.value.as_str()).collect();
    assert_eq!(accounts, ["s2", "mine", "mine"]);
}

#[test]
fn a_real_package_claims_what_its_author_wrote() {
    let mut claims = told(FEATURES);
    claims.retain(|claim| !claim.ends_with("container.image: ghcr.io/acme/features:v1"));
    insta::assert_debug_snapshot!(claims);
}
