//! Where the demo's packages come from besides the registry: ECR and Artifactory.

use std::{fs, path::Path};

use anyhow::Result;
use serde_json::{Value, json};

use crate::{
    peers::{Aws, Nginx, NginxAccess, NginxOptions, Registry, RegistryOptions},
    system::push,
};

/// The hub's identity in AWS; moto takes any.
pub(super) const IDENTITY: [(&str, &str); 2] = [
    ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "demo"),
];
/// The registry's name in ECR.
const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
/// What moto's ECR gives out as the user `AWS`.
const ECR_USER: (&str, &str) = ("AWS", "123456789012-auth-token");
const ARTIFACTORY_USER: (&str, &str) = ("downloader", "demo");

/// The peers.
pub(super) struct Elsewhere {
    aws: Aws,
    ecr: Registry,
    /// A server of files that stands in for it. None where nginx is not installed.
    artifactory: Option<Nginx>,
}

/// A package that was put somewhere.
pub(super) struct Put {
    /// What its resource is called.
    pub name: &'static str,
    pub version: String,
    pub uri: String,
    /// Where it really is.
    pub at: String,
}

impl Elsewhere {
    pub(super) async fn start() -> Result<Self> {
        let ecr = RegistryOptions {
            user: Some(ECR_USER),
            ..RegistryOptions::default()
        };
        let nginx = NginxOptions {
            tls: true,
            access: NginxAccess::Basic(ARTIFACTORY_USER.0, ARTIFACTORY_USER.1),
        };
        let artifactory = if Nginx::is_installed() {
            Some(Nginx::start("artifactory", nginx).await?)
        } else {
            None
        };
        Ok(Self {
            aws: Aws::start("aws").await?,
            ecr: Registry::start("ecr", ecr).await?,
            artifactory,
        })
    }

    /// Their sources in the hub's configuration.
    pub(super) fn sources(&self) -> Result<Value> {
        let mut sources = json!({"ecr": {
            "kind": "oci",
            "registry": ECR,
            "endpoint": self.ecr.host(),
            "caFile": self.ecr.authority(),
            "ecr": {"endpoint": self.aws.url()},
        }});
        if let Some(nginx) = &self.artifactory {
            let password = nginx.process().dir().join("password");
            fs::write(&password, ARTIFACTORY_USER.1)?;
            sources["artifactory"] = json!({
                "kind": "artifactory",
                "url": nginx.url("/artifactory"),
                "caFile": nginx.authority(),
                "username": ARTIFACTORY_USER.0,
                "passwordFile": password,
            });
        }
        Ok(sources)
    }

    /// Puts the package into each of them, under versions of their own: otherwise it would be known from the first.
    pub(super) async fn put(
        &self,
        package: &Path,
        repository: &str,
        version: &str,
    ) -> Result<Vec<Put>> {
        let tag = format!("{version}-ecr");
        push(
            &self.ecr,
            self.ecr.process().dir(),
            package,
            repository,
            &tag,
        )
        .await?;
        let mut all = vec![Put {
            name: "etl-ecr",
            uri: format!("oci://{ECR}/{repository}:{tag}"),
            version: tag,
            at: self.ecr.host().to_owned(),
        }];
        if let Some(nginx) = &self.artifactory {
            let version = format!("{version}-artifactory");
            let file = format!("/artifactory/generic/{repository}_{version}.tgz");
            let content = fs::read(package)?;
            nginx.put(&file, &content, Some(&content)).await?;
            all.push(Put {
                name: "etl-artifactory",
                version,
                uri: format!("artifactory://generic/{repository}"),
                at: nginx.url(&file),
            });
        }
        Ok(all)
    }
}
