//! A client that does nothing but send the GETs: the most that the registry and the way to it allow.

use std::{
    collections::HashSet,
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use flyte_registration_tests::peers::Registry;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use parking_lot::Mutex;
use reqwest::{Certificate, Client, header::ACCEPT};

use super::store::{Packages, SIZE, layer};

/// How one is made, and how many GETs it has in flight.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// All over one connection, or HTTP/1.1 over as many as are in flight.
    pub http2: bool,
    /// GETs at a time.
    pub in_flight: usize,
}

/// The best of these is the limit.
pub const WAYS: [Way; 6] = [
    Way {
        http2: true,
        in_flight: 4,
    },
    Way {
        http2: true,
        in_flight: 16,
    },
    Way {
        http2: true,
        in_flight: 64,
    },
    Way {
        http2: false,
        in_flight: 4,
    },
    Way {
        http2: false,
        in_flight: 16,
    },
    Way {
        http2: false,
        in_flight: 64,
    },
];

/// Gets all manifests, and each layer once.
pub async fn fetch(registry: &Registry, packages: Packages, way: Way) -> Result<Duration> {
    let pem = fs::read(registry.authority().context("a registry without TLS")?)?;
    let builder = Client::builder().tls_certs_only([Certificate::from_pem(&pem)?]);
    let client = if way.http2 {
        builder
    } else {
        builder.http1_only()
    }
    .build()?;
    let (user, password) = registry.user().context("a registry without a password")?;
    let get = async |path: String| {
        let request = client.get(format!("https://{}/v2/{path}", registry.host()));
        let request = request
            .basic_auth(user, Some(password))
            .header(ACCEPT, "application/vnd.oci.image.manifest.v1+json");
        Ok::<_, anyhow::Error>(request.send().await?.error_for_status()?.bytes().await?)
    };
    let seen = Mutex::new(HashSet::new());
    let one = async |uri: String| {
        let (repository, tag) = uri.split_once(':').context("no tag")?;
        let digest = layer(&get(format!("{repository}/manifests/{tag}")).await?)?;
        if seen.lock().insert(digest.clone()) {
            let bytes = get(format!("{repository}/blobs/{digest}")).await?;
            ensure!(bytes.len() == SIZE, "{} bytes", bytes.len());
        }
        Ok(())
    };
    let began = Instant::now();
    stream::iter(packages.uris().map(one))
        .buffer_unordered(way.in_flight)
        .try_collect::<()>()
        .await?;
    Ok(began.elapsed())
}
