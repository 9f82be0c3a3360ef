//! What the parts of an agent share, for tests that leave out the rest.

use std::{sync::Arc, time::Duration};

use flyte_registration_agent::{
    config,
    link::{Link, LinkState, Standing},
    metrics::Metrics,
    status::SharedDesk,
    watch::{Index, Key, Observed, Shared, Source, index::Labels},
};
use kube::api::DynamicObject;
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinHandle};

pub struct World {
    pub shared: Arc<Shared>,
    pub desk: Arc<SharedDesk>,
    pub state: watch::Sender<LinkState>,
    pub metrics: Metrics,
    pub standing: watch::Sender<Standing>,
}

impl World {
    /// An agent that has listed the namespace `ns`, in which there is nothing.
    pub fn new() -> Self {
        let sources = Source::all_of(&[]);
        let shared = Shared::new(Index::new(&sources));
        shared
            .update(|index| index.apply_namespace(&Source::Namespaces(None), "ns", Labels::new()));
        for source in &sources {
            shared.update(|index| index.complete(source));
        }
        Self {
            shared: Arc::new(shared),
            desk: Arc::default(),
            state: watch::Sender::new(LinkState::down()),
            metrics: Metrics::default(),
            standing: watch::Sender::default(),
        }
    }

    /// The watch shows an object.
    pub fn show(&self, object: &Value) {
        let object: DynamicObject = serde_json::from_value(object.clone()).unwrap();
        let object = Observed::project(object).unwrap();
        self.shared
            .update(|index| index.apply(&Source::Registrations(None), object));
    }

    pub fn link(&self, hub: config::Hub) -> Task {
        let link = Link {
            hub,
            namespaces: Vec::new(),
            cluster_uid: "cluster".to_owned(),
            shared: Arc::clone(&self.shared),
            desk: Arc::clone(&self.desk),
            state: self.state.clone(),
            standing: self.standing.clone(),
            metrics: self.metrics.clone(),
        };
        Task(tokio::spawn(async move { link.run().await }))
    }
}

/// A task that ends with the test.
pub struct Task(pub JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub fn key(name: &str) -> Key {
    Key::new("ns", name)
}

/// An object in the namespace `ns`.
pub fn object(name: &str, uid: &str, generation: i64, version: &str) -> Value {
    json!({
        "apiVersion": "flyte.backend/v1", "kind": "FlyteRegistration",
        "metadata": {
            "namespace": "ns", "name": name, "uid": uid, "generation": generation, "resourceVersion": version,
        },
        "spec": {"workflowProject": "p", "filler": "x".repeat(100)},
    })
}

/// Waits until `condition` holds.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let holds = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), holds)
        .await
        .unwrap_or_else(|_| panic!("{what}"));
}
