//! Claims of pod specs.

use super::*;

fn of_pod(spec: &Value) -> Vec<String> {
    let claims = of_task(TaskTemplate {
        target: Some(task_template::Target::K8sPod(pod(spec))),
        ..TaskTemplate::default()
    });
    claims
        .into_iter()
        .map(|claim| claim.replacen("k8s_pod.pod_spec.", "", 1))
        .collect()
}

#[test]
fn a_pod_claims_all_that_its_containers_and_volumes_are() {
    let spec = json!({
        "containers": [{"image": "a", "securityContext": {"privileged": true}, "ports": [{"hostPort": 80}]}],
        "initContainers": [{"image": "b", "securityContext": {"capabilities": {"add": ["NET_ADMIN", "CHOWN"]}}}],
        "ephemeralContainers": [{"image": "c", "securityContext": {"procMount": "Unmasked"}}],
        "serviceAccountName": "s",
        "serviceAccount": "old",
        "hostNetwork": true, "hostPID": true, "hostIPC": false,
        "volumes": [
            {"hostPath": {"path": "/etc"}},
            {"image": {"reference": "d"}},
            {"emptyDir": {}},
        ],
    });
    let mut claims = of_pod(&spec);
    claims.sort_unstable();
    assert_eq!(
        claims,
        [
            "HostNamespace containers[0].ports[0].hostPort: a port of the node",
            "HostNamespace hostNetwork: the node's network",
            "HostNamespace hostPID: the node's processes",
            "HostPath volumes[0].hostPath: /etc",
            "Image containers[0].image: a",
            "Image ephemeralContainers[0].image: c",
            "Image initContainers[0].image: b",
            "Image volumes[1].image: d",
            "Privileged containers[0].securityContext.privileged: privileged",
            "Privileged ephemeralContainers[0].securityContext.procMount: procMount Unmasked",
            "Privileged initContainers[0].securityContext.capabilities: capability NET_ADMIN",
            "ServiceAccount serviceAccount: old",
            "ServiceAccount serviceAccountName: s",
        ]
    );
}

/// Go reads them all the same.
#[test]
fn names_in_disguise_are_seen() {
    for (spec, kind) in [
        (json!({"Containers": [{"IMAGE": "a"}]}), "Image"),
        (json!({"SERVICEACCOUNTNAME": "a"}), "ServiceAccount"),
        (json!({"\u{17f}erviceAccountName": "a"}), "ServiceAccount"),
        (json!({"hostnetwor\u{212a}": true}), "HostNamespace"),
        (
            json!({"volumes": [{"host_path": {"Path": "/"}}]}),
            "HostPath",
        ),
        (json!({"HostPid": 1}), "HostNamespace"),
        (
            json!({"capabilities": {"Add": ["CAP_SYS_ADMIN"]}}),
            "Privileged",
        ),
    ] {
        let claims = of_pod(&spec);
        assert_eq!(claims.len(), 1, "{spec} {claims:?}");
        assert!(claims[0].starts_with(kind), "{claims:?}");
    }
    let harmless = json!({
        "containers": [{"name": "image", "env": [{"name": "image", "value": "x"}], "securityContext": {"privileged": false}}],
        "hostNetwork": null, "volumes": [{"name": "hostPath"}], "capabilities": {"drop": ["ALL"]},
    });
    assert!(of_pod(&harmless).is_empty());
}
