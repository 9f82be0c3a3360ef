//! The writes themselves.

use std::time::Duration;

use flyte_registration_crd::{FIELD_MANAGER, FINALIZER, GROUP, KIND, VERSION};
use k8s_openapi::{api::core::v1::ObjectReference, jiff::Timestamp};
use kube::{
    Api, Client,
    api::{DynamicObject, Patch, PatchParams},
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use serde_json::{Value, json};
use tokio::time::timeout;
use tracing::{debug, warn};

use super::{Announcement, Job, Outcome, Task, announcement, overlay};
use crate::{
    chain,
    metrics::{Metrics, WriteResult},
    watch::kubernetes::resource,
};

/// Longest wait for one answer of the API server.
const ANSWER: Duration = Duration::from_secs(15);
/// Longest wait for an Event to be taken.
const EVENT: Duration = Duration::from_secs(5);
/// What our Events say was done.
const ACTION: &str = "Register";

/// The resources at the API server.
#[derive(Clone)]
pub struct Resources {
    client: Client,
    recorder: Recorder,
    metrics: Metrics,
}

impl Resources {
    /// Writes by `client`, as `identity` in Events.
    pub fn new(client: Client, identity: String, metrics: Metrics) -> Self {
        let reporter = Reporter {
            controller: FIELD_MANAGER.to_owned(),
            instance: Some(identity),
        };
        let recorder = Recorder::new(client.clone(), reporter);
        Self {
            client,
            recorder,
            metrics,
        }
    }

    /// Does a job. An Event may be due after it.
    pub async fn execute(&self, job: &Job) -> (Outcome, Option<Announcement>) {
        let attempt = timeout(ANSWER, self.attempt(job)).await;
        let (outcome, event) = match attempt {
            Ok(Ok(done)) => done,
            Ok(Err(error)) => (failure(job, &error), None),
            Err(_) => {
                warn!(object = %job.key, "the API server did not answer in time");
                (Outcome::Failed, None)
            }
        };
        let result = result(&outcome, job);
        match job.task {
            Task::Release => self.metrics.count_release(result),
            Task::Write(_) | Task::Overlay(_) => self.metrics.count_write(result),
        }
        (outcome, event)
    }

    async fn attempt(&self, job: &Job) -> Result<(Outcome, Option<Announcement>), kube::Error> {
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &job.key.namespace, &resource());
        match &job.task {
            Task::Write(wanted) => replace(&api, job, wanted.value()).await,
            Task::Overlay(away) => match fresh(&api, job).await? {
                Ok(object) => {
                    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
                    let status = overlay(object.data.get("status"), *away, job.generation, &now);
                    replace(&api, job, status).await
                }
                Err(outcome) => Ok((outcome, None)),
            },
            Task::Release => match fresh(&api, job).await? {
                Ok(object) => release(&api, job, &object).await,
                Err(outcome) => Ok((outcome, None)),
            },
        }
    }

    /// Publishes an Event. That it fails changes nothing.
    pub async fn announce(&self, job: Job, event: Announcement) {
        let regarding = ObjectReference {
            api_version: Some(format!("{GROUP}/{VERSION}")),
            kind: Some(KIND.to_owned()),
            namespace: Some(job.key.namespace),
            name: Some(job.key.name),
            uid: Some(job.uid),
            ..ObjectReference::default()
        };
        let event = Event {
            type_: if event.warning {
                EventType::Warning
            } else {
                EventType::Normal
            },
            reason: event.reason,
            note: Some(event.note),
            action: ACTION.to_owned(),
            secondary: None,
        };
        let published = timeout(EVENT, self.recorder.publish(&event, &regarding)).await;
        if let Ok(Err(error)) = &published {
            let error = chain(error);
            debug!(error, "an Event could not be published");
        }
        if !matches!(published, Ok(Ok(()))) {
            self.metrics.event_failures.inc();
        }
    }
}

/// Replaces the whole status, whoever wrote it: server-side apply would leave what another
/// manager has put there, a forged receipt for one. With the version of the object that was
/// decided on, so that no other one, and no newer one, is written to.
async fn replace(
    api: &Api<DynamicObject>,
    job: &Job,
    status: Value,
) -> Result<(Outcome, Option<Announcement>), kube::Error> {
    let event = announcement(job.reason.as_deref(), &status);
    // Setting the version, instead of testing it, makes the API server answer Conflict.
    let patch = json!([
        {"op": "add", "path": "/metadata/resourceVersion", "value": job.resource_version},
        {"op": "add", "path": "/status", "value": status},
    ]);
    let patch = serde_json::from_value(patch).map_err(kube::Error::SerdeError)?;
    let object = api
        .patch_status(&job.key.name, &managed(), &Patch::Json::<()>(patch))
        .await?;
    Ok((done(object), event))
}

fn managed() -> PatchParams {
    PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    }
}

/// The object, if it still is as the job knows it.
async fn fresh(
    api: &Api<DynamicObject>,
    job: &Job,
) -> Result<Result<DynamicObject, Outcome>, kube::Error> {
    let object = api.get(&job.key.name).await?;
    let same = object.metadata.resource_version.as_ref() == Some(&job.resource_version)
        && object.metadata.uid.as_ref() == Some(&job.uid);
    Ok(if same {
        Ok(object)
    } else {
        Err(Outcome::Conflict)
    })
}

async fn release(
    api: &Api<DynamicObject>,
    job: &Job,
    object: &DynamicObject,
) -> Result<(Outcome, Option<Announcement>), kube::Error> {
    let finalizers = object.metadata.finalizers.iter().flatten();
    let others: Vec<&String> = finalizers.filter(|it| *it != FINALIZER).collect();
    let patch =
        json!({"metadata": {"resourceVersion": job.resource_version, "finalizers": others}});
    let object = api
        .patch(&job.key.name, &managed(), &Patch::Merge(patch))
        .await?;
    Ok((done(object), None))
}

fn done(object: DynamicObject) -> Outcome {
    Outcome::Done(object.metadata.resource_version.unwrap_or_default())
}

fn failure(job: &Job, error: &kube::Error) -> Outcome {
    match error {
        kube::Error::Api(status) if status.code == 409 => Outcome::Conflict,
        kube::Error::Api(status) if status.code == 404 => Outcome::Gone,
        error => {
            let error = chain(error);
            warn!(object = %job.key, error, "a write failed");
            Outcome::Failed
        }
    }
}

fn result(outcome: &Outcome, job: &Job) -> WriteResult {
    match outcome {
        Outcome::Done(version) if *version == job.resource_version => WriteResult::Unchanged,
        Outcome::Done(_) => WriteResult::Written,
        Outcome::Conflict => WriteResult::Conflict,
        Outcome::Gone => WriteResult::Gone,
        Outcome::Failed => WriteResult::Failed,
    }
}
