use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use flyte_registration_fixtures::signer::RSA_KEY;
use rcgen::KeyPair;
use serde_json::json;

use super::{Etcd, READY};
use crate::{
    command::{self, Output},
    paths::{free_port, peer_binary, run_dir},
    process::Process,
    tls::{Authority, client},
};

/// The token of a user in the group `system:masters`, for which RBAC allows everything.
const ADMIN_TOKEN: &str = "admin-token-of-a-test-cluster";

/// File of the key that tokens are signed with.
const ACCOUNT_KEY: &str = "account.key";

/// A Kubernetes API server with an etcd of its own, RBAC and service account tokens.
///
/// There is no controller manager: deleted namespaces stay, and no service account comes into being by itself.
pub struct ApiServer {
    process: Process,
    etcd: Etcd,
    url: String,
    authority: String,
    kubeconfig: PathBuf,
}

/// What an API server signs the tokens of service accounts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountKey {
    /// P-256: ES256.
    Ecdsa,
    /// RS256, as with most distributions.
    Rsa,
}

impl ApiServer {
    /// Starts an empty cluster.
    pub async fn start(name: &str) -> Result<Self> {
        Self::start_with(name, AccountKey::Ecdsa, &[]).await
    }

    /// The same, signing with such a key, and with more arguments.
    pub async fn start_with(name: &str, key: AccountKey, more: &[&str]) -> Result<Self> {
        let etcd = Etcd::start(&format!("{name}-etcd")).await?;
        let dir = run_dir(name)?;
        let authority = Authority::new(&format!("{name} CA"))?;
        let port = free_port()?;
        let mut args = arguments(&dir, &authority, etcd.url(), port, key)?;
        args.extend(more.iter().map(|&arg| arg.to_owned()));
        let process = Process::start(name, &dir, &peer_binary("kube-apiserver"), args, &[])?;
        let url = format!("https://127.0.0.1:{port}");
        authority.write(&dir)?;
        let server = Self {
            process,
            etcd,
            url,
            authority: authority.pem(),
            kubeconfig: dir.join("admin.kubeconfig"),
        };
        server.write_kubeconfig(&server.kubeconfig, ADMIN_TOKEN)?;
        server.ready().await?;
        Ok(server)
    }

    async fn ready(&self) -> Result<()> {
        let client = client(Some(&self.authority))?;
        let url = format!("{}/readyz", self.url);
        let ready = || async {
            Ok(client
                .get(&url)
                .bearer_auth(ADMIN_TOKEN)
                .send()
                .await?
                .error_for_status()
                .map(drop)?)
        };
        self.process.ready(READY, ready).await
    }

    /// Starts it again after [`Process::kill`], on the same port and data.
    pub async fn start_again(&self) -> Result<()> {
        self.process.start_again()?;
        self.ready().await
    }

    /// Kills it and starts it again.
    pub async fn restart(&self) -> Result<()> {
        self.process.kill()?;
        self.start_again().await
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The certificate of its authority, PEM.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The kubeconfig of an administrator.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Writes a kubeconfig for a service account, which must exist, with a token from the `TokenRequest` API that is
    /// good for a day.
    pub async fn kubeconfig_for(&self, namespace: &str, service_account: &str) -> Result<PathBuf> {
        let token = self
            .token(namespace, service_account, self.issuer(), "24h")
            .await?;
        let path = self
            .process
            .dir()
            .join(format!("{namespace}-{service_account}.kubeconfig"));
        self.write_kubeconfig(&path, &token)?;
        Ok(path)
    }

    /// Who issues the tokens of its service accounts: the server itself, by its URL.
    pub fn issuer(&self) -> &str {
        &self.url
    }

    /// The keys of the issuer, as the server shows them to whoever may see them.
    pub async fn jwks(&self) -> Result<String> {
        self.kubectl(&["get", "--raw", "/openid/v1/jwks"])
            .await?
            .success()
    }

    /// Lets everybody discover the issuer's keys.
    pub async fn publish_keys(&self) -> Result<()> {
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "service-account-issuer-discovery"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "system:service-account-issuer-discovery",
            },
            "subjects": [{
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "Group",
                "name": "system:unauthenticated",
            }],
        });
        self.apply(&binding.to_string()).await?.success().map(drop)
    }

    /// A token from the `TokenRequest` API for a service account, which must exist.
    pub async fn token(
        &self,
        namespace: &str,
        service_account: &str,
        audience: &str,
        duration: &str,
    ) -> Result<String> {
        let args = [
            "create",
            "token",
            service_account,
            "--namespace",
            namespace,
            "--audience",
            audience,
            "--duration",
            duration,
        ];
        Ok(self.kubectl(&args).await?.success()?.trim().to_owned())
    }

    /// The certificate of its authority, as a file.
    pub fn authority_file(&self) -> PathBuf {
        self.process.dir().join("ca.pem")
    }

    /// The private key that it signs tokens with, PEM.
    pub fn account_key(&self) -> Result<String> {
        Ok(fs::read_to_string(self.process.dir().join(ACCOUNT_KEY))?)
    }

    /// Runs kubectl as an administrator.
    pub async fn kubectl(&self, args: &[&str]) -> Result<Output> {
        command::kubectl(&self.kubeconfig, args).await
    }

    /// Applies a manifest as an administrator.
    pub async fn apply(&self, manifest: &str) -> Result<Output> {
        command::apply(&self.kubeconfig, manifest).await
    }

    /// The process, to kill or to measure.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Its etcd.
    pub fn etcd(&self) -> &Etcd {
        &self.etcd
    }

    /// Written as JSON, which is YAML too.
    fn write_kubeconfig(&self, path: &Path, token: &str) -> Result<()> {
        let authority = self.authority_file();
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "it", "cluster": {"server": self.url, "certificate-authority": authority}}],
            "users": [{"name": "me", "user": {"token": token}}],
            "contexts": [{"name": "me@it", "context": {"cluster": "it", "user": "me"}}],
            "current-context": "me@it",
        });
        fs::write(path, serde_json::to_vec_pretty(&config)?)
            .with_context(|| format!("write {}", path.display()))
    }
}

/// The command line, with the files that it names.
fn arguments(
    dir: &Path,
    authority: &Authority,
    etcd: &str,
    port: u16,
    key: AccountKey,
) -> Result<Vec<String>> {
    let serving = authority.issue(dir, "serving", &["kubernetes"])?;
    let account = match key {
        AccountKey::Ecdsa => KeyPair::generate()?,
        AccountKey::Rsa => KeyPair::from_pem(RSA_KEY)?,
    };
    let (private, public, tokens) = (
        dir.join(ACCOUNT_KEY),
        dir.join("account.pub"),
        dir.join("tokens.csv"),
    );
    fs::write(&private, account.serialize_pem())?;
    fs::write(&public, account.public_key_pem())?;
    fs::write(
        &tokens,
        format!("{ADMIN_TOKEN},admin,admin,\"system:masters\"\n"),
    )?;
    Ok(vec![
        format!("--etcd-servers={etcd}"),
        format!("--secure-port={port}"),
        "--bind-address=127.0.0.1".to_owned(),
        "--advertise-address=127.0.0.1".to_owned(),
        // It would publish the address above, and a loopback address is refused there.
        "--endpoint-reconciler-type=none".to_owned(),
        format!("--tls-cert-file={}", serving.certificate.display()),
        format!("--tls-private-key-file={}", serving.key.display()),
        format!("--token-auth-file={}", tokens.display()),
        format!("--service-account-issuer=https://127.0.0.1:{port}"),
        format!("--service-account-signing-key-file={}", private.display()),
        format!("--service-account-key-file={}", public.display()),
        "--authorization-mode=RBAC".to_owned(),
        // It wants a default service account in each namespace, which the controller manager would create.
        "--disable-admission-plugins=ServiceAccount".to_owned(),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
    ])
}
