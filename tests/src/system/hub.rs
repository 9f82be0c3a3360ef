//! The configuration of the hub.

use std::{fs, path::Path};

use anyhow::Result;
use serde_json::{Value, json};

use super::{CLUSTERS, Setup, merge};
use crate::{peers::ApiServer, tls::Authority};

/// Its files are in `dir`.
pub(super) async fn config(
    setup: &Setup<'_>,
    dir: &Path,
    port: u16,
    web_port: u16,
) -> Result<Value> {
    let authority = Authority::new("hub CA")?;
    authority.write(dir)?;
    let files = authority.issue(dir, "hub", &["hub"])?;
    let mut source = json!({"kind": "oci", "registry": setup.registry.host(), "timeout": "10s"});
    if let Some((user, password)) = setup.registry.user() {
        fs::write(dir.join("registry-password"), password)?;
        source["username"] = user.into();
        source["passwordFile"] = json!(dir.join("registry-password"));
    }
    match setup.registry.authority() {
        Some(authority) => source["caFile"] = json!(authority),
        None => source["plainHttp"] = true.into(),
    }
    let mut clusters = json!({});
    for (name, cluster) in CLUSTERS.iter().zip(setup.clusters) {
        clusters[name] = json!({"token": token(setup, cluster, name, dir).await?});
    }
    let mut config = json!({
        "listen": {
            "address": format!("127.0.0.1:{port}"),
            "tls": {"certFile": files.certificate, "keyFile": files.key},
        },
        "web": {"listen": format!("127.0.0.1:{web_port}")},
        "stateDir": dir.join("state"),
        "cache": {"dir": dir.join("cache")},
        "clusters": clusters,
        "tenants": {
            "warehouse": {
                "clusters": CLUSTERS,
                "namespaces": [setup.tenant_namespace()],
                "flyteAdmin": "main",
                "projects": setup.projects,
                "domains": ["development"],
                "sources": ["registry"],
                "images": ["*"],
                "defaultSource": "registry",
            },
        },
        "sources": {"registry": source},
        "flyteAdmins": {"main": {"endpoint": setup.flyteadmin.endpoint(), "insecure": true}},
        "work": {"retryInitial": "500ms", "retryMax": "2s"},
        "log": {"level": "debug", "format": "text"},
    });
    if setup.clusters.len() < CLUSTERS.len() {
        config["tenants"]["warehouse"]["clusters"] = json!(CLUSTERS[..setup.clusters.len()]);
    }
    merge(&mut config, &setup.hub);
    Ok(config)
}

/// The keys of the first cluster are in a file, those of the others are discovered.
async fn token(setup: &Setup<'_>, cluster: &ApiServer, name: &str, dir: &Path) -> Result<Value> {
    let mut token = json!({"issuer": cluster.issuer(), "subject": setup.subject()});
    if name == CLUSTERS[0] {
        let file = dir.join(format!("{name}.jwks"));
        fs::write(&file, cluster.jwks().await?)?;
        token["jwksFile"] = json!(file);
    } else {
        token["caFile"] = json!(cluster.authority_file());
    }
    Ok(token)
}
