//! What is generated is what is committed, and an API server would take it.

use std::{env, fs, path::PathBuf};

use flyte_registration_agent::crds;
use serde_json::Value;

fn repository() -> PathBuf {
    PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("..")
}

#[test]
fn committed_definitions_are_up_to_date() {
    let generated = crds::yaml().unwrap();
    for directory in ["config/crd", "charts/crds/templates"] {
        let committed =
            fs::read_to_string(repository().join(directory).join(crds::FILE_NAME)).unwrap();
        assert_eq!(
            committed, generated,
            "run `cargo run -p flyte-registration-agent -- crds --out {directory}`"
        );
    }
}

#[test]
fn helm_finds_nothing_to_render_in_it() {
    assert!(!crds::yaml().unwrap().contains("{{"));
}

#[test]
fn uninstalling_the_chart_keeps_it() {
    let crd = crds::flyte_registration();
    assert_eq!(
        crd.metadata.annotations.unwrap()["helm.sh/resource-policy"],
        "keep"
    );
}

/// Structural, as API servers demand: every node has a type, and nothing but scalars is
/// without its members.
#[test]
fn schema_is_structural() {
    let mut nodes = 0;
    walk(&schema(), "", &mut |path, node| {
        nodes += 1;
        let kind = node["type"]
            .as_str()
            .unwrap_or_else(|| panic!("{path} has no type"));
        match kind {
            "object" => assert!(node["properties"].is_object(), "{path} has no properties"),
            "array" => assert!(node["items"].is_object(), "{path} has no items"),
            _ => {}
        }
        for forbidden in ["$ref", "anyOf", "oneOf", "allOf", "definitions"] {
            assert!(node.get(forbidden).is_none(), "{path} has {forbidden}");
        }
    });
    assert!(nodes > 50, "{nodes} nodes");
}

/// API servers estimate what a CEL rule may cost from the largest value that it may meet,
/// and refuse the definition when it is too much; so everything in the spec is bounded.
#[test]
fn everything_in_the_spec_is_bounded() {
    walk(
        &schema()["properties"]["spec"],
        ".spec",
        &mut |path, node| match node["type"].as_str() {
            Some("string") => {
                assert!(
                    node.get("maxLength").is_some() || node.get("enum").is_some(),
                    "{path} is unbounded"
                );
            }
            Some("array") => assert!(node.get("maxItems").is_some(), "{path} is unbounded"),
            _ => {}
        },
    );
}

/// What the API server itself reckons for `matches` (kubernetes, `pkg/cel/environment` and
/// cel-go's `checker/cost.go`): a tenth of the text times a quarter of the pattern. The
/// budget of one rule is ten million.
#[test]
fn rules_are_far_below_the_cost_limit() {
    let mut rules = 0;
    walk(&schema(), "", &mut |path, node| {
        for rule in node["x-kubernetes-validations"]
            .as_array()
            .into_iter()
            .flatten()
        {
            rules += 1;
            let text = node["maxLength"].as_f64().unwrap_or(1024.0) * 4.0;
            let pattern = rule["rule"].as_str().unwrap().len();
            let cost =
                (text * 0.1).ceil() * (f64::from(u32::try_from(pattern).unwrap()) * 0.25).ceil();
            assert!(cost < 1_000_000.0, "{path}: about {cost}");
            assert!(
                rule["message"].as_str().is_some_and(|it| !it.is_empty()),
                "{path} has no message"
            );
        }
    });
    assert!(rules >= 12, "{rules} rules");
}

#[test]
fn conditions_are_merged_by_type() {
    let conditions = &schema()["properties"]["status"]["properties"]["conditions"];
    assert_eq!(conditions["x-kubernetes-list-type"], "map");
    assert_eq!(conditions["x-kubernetes-list-map-keys"][0], "type");
}

#[test]
fn columns_show_what_tenants_look_for() {
    let crd = crds::flyte_registration();
    let columns = crd.spec.versions[0]
        .additional_printer_columns
        .clone()
        .unwrap();
    let names = |wide: bool| {
        let of_width = columns
            .iter()
            .filter(move |it| (it.priority.unwrap_or(0) > 0) == wide);
        of_width.map(|it| it.name.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(
        names(false),
        [
            "Project",
            "Domain",
            "Version",
            "Ready",
            "Reason",
            "Workflows",
            "Age"
        ]
    );
    assert_eq!(names(true), ["Digest", "Package"]);
}

fn schema() -> Value {
    let crd = serde_json::to_value(crds::flyte_registration()).unwrap();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

fn walk(node: &Value, path: &str, visit: &mut impl FnMut(&str, &Value)) {
    visit(path, node);
    for (name, property) in node["properties"].as_object().into_iter().flatten() {
        walk(property, &format!("{path}.{name}"), visit);
    }
    if node["items"].is_object() {
        walk(&node["items"], &format!("{path}[]"), visit);
    }
}
