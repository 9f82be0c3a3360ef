//! The watches themselves.

use std::{sync::Arc, time::Duration};

use flyte_registration_crd::{GROUP, KIND, PLURAL, VERSION};
use futures::{StreamExt as _, stream::BoxStream};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, ResourceExt as _,
    api::{ApiResource, DynamicObject},
    core::PartialObjectMeta,
    runtime::watcher::{self, Event, InitialListStrategy},
};
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use super::{Change, Index, Key, Observed, Shared, Source};
use crate::{chain, metrics::Metrics, retry::Backoff};

/// Objects of one page where the server has no streaming lists: pages are held in memory.
const PAGE: u32 = 100;
/// Failures are forgotten after this long without one.
const FORGET: Duration = Duration::from_mins(2);
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(500),
    longest: Duration::from_secs(15),
};

/// The resource that is watched.
pub fn resource() -> ApiResource {
    ApiResource {
        group: GROUP.to_owned(),
        version: VERSION.to_owned(),
        api_version: format!("{GROUP}/{VERSION}"),
        kind: KIND.to_owned(),
        plural: PLURAL.to_owned(),
    }
}

/// Feeds `shared` from one watch, for ever: whatever fails is tried again.
pub async fn watch(client: Client, source: Source, shared: Arc<Shared>, metrics: Metrics) {
    match &source {
        Source::Registrations(scope) => {
            let resource = resource();
            let api: Api<DynamicObject> = match scope {
                Some(namespace) => Api::namespaced_with(client, namespace, &resource),
                None => Api::all_with(client, &resource),
            };
            let open = |config| watcher::watcher(api.clone(), config).boxed();
            let feed = Feed {
                source: &source,
                shared: &shared,
                metrics: &metrics,
            };
            feed.run(watcher::Config::default(), open, registration)
                .await;
        }
        Source::Namespaces(scope) => {
            let api: Api<PartialObjectMeta<Namespace>> = Api::all(client);
            let config = match scope {
                Some(name) => watcher::Config::default().fields(&format!("metadata.name={name}")),
                None => watcher::Config::default(),
            };
            let open = |config| watcher::watcher(api.clone(), config).boxed();
            let feed = Feed {
                source: &source,
                shared: &shared,
                metrics: &metrics,
            };
            feed.run(config, open, namespace).await;
        }
    }
}

type Events<K> = BoxStream<'static, Result<Event<K>, watcher::Error>>;
type Take<K> = fn(&mut Index, &Source, Seen<K>) -> Vec<Change>;

fn registration(index: &mut Index, source: &Source, event: Seen<DynamicObject>) -> Vec<Change> {
    match event {
        Seen::There(object) => match Observed::project(object) {
            Some(object) => index.apply(source, object),
            None => Vec::new(),
        },
        Seen::Gone(object) => index.remove(&Key::new(
            object.namespace().unwrap_or_default(),
            object.name_any(),
        )),
    }
}

fn namespace(
    index: &mut Index,
    source: &Source,
    event: Seen<PartialObjectMeta<Namespace>>,
) -> Vec<Change> {
    match event {
        Seen::There(object) => {
            let name = object.name_any();
            index.apply_namespace(source, &name, object.metadata.labels.unwrap_or_default())
        }
        Seen::Gone(object) => index.remove_namespace(&object.name_any()),
    }
}

enum Seen<K> {
    There(K),
    Gone(K),
}

struct Feed<'a> {
    source: &'a Source,
    shared: &'a Shared,
    metrics: &'a Metrics,
}

impl Feed<'_> {
    async fn run<K>(
        &self,
        config: watcher::Config,
        open: impl Fn(watcher::Config) -> Events<K>,
        take: Take<K>,
    ) {
        let mut config = config.streaming_lists();
        let mut events = open(config.clone());
        let mut failures = Failures::default();
        loop {
            match events.next().await {
                Some(Ok(event)) => {
                    failures.forget_after(&event);
                    self.feed(event, take);
                }
                Some(Err(error)) => {
                    self.metrics.watch_restarts.inc();
                    match Remedy::of(&error, &config) {
                        Remedy::ListPages => {
                            info!(source = ?self.source, "the API server has no streaming lists; listing pages instead");
                            config.initial_list_strategy = InitialListStrategy::ListWatch;
                            config.page_size = Some(PAGE);
                            events = open(config.clone());
                            continue;
                        }
                        Remedy::StartAnew => events = open(config.clone()),
                        Remedy::GoOn => {}
                    }
                    let attempt = failures.count();
                    self.report(&error, attempt);
                    sleep(BACKOFF.delay(attempt)).await;
                }
                // A watcher goes on for ever; should it not, the process ends with this task.
                None => return,
            }
        }
    }

    fn feed<K>(&self, event: Event<K>, take: Take<K>) {
        self.shared.update(|index| {
            let changes = match event {
                Event::Init => {
                    index.restart(self.source);
                    Vec::new()
                }
                Event::InitApply(object) | Event::Apply(object) => {
                    take(index, self.source, Seen::There(object))
                }
                Event::Delete(object) => take(index, self.source, Seen::Gone(object)),
                Event::InitDone => index.complete(self.source),
            };
            let count = i64::try_from(index.len()).unwrap_or(i64::MAX);
            self.metrics.objects.set(count);
            changes
        });
    }

    /// Once loudly, then quietly: a server that is away for an hour fills no log.
    fn report(&self, error: &watcher::Error, attempt: u32) {
        let error = chain(error);
        if attempt == 0 {
            warn!(source = ?self.source, error, "watch failed; trying again");
        } else {
            debug!(source = ?self.source, error, attempt, "watch failed again");
        }
    }
}

/// Failures in a row. A watch that is resumed shows no event until something changes, so
/// they are also forgotten with time.
#[derive(Default)]
struct Failures {
    count: u32,
    last: Option<Instant>,
}

impl Failures {
    /// How many there were before this one.
    fn count(&mut self) -> u32 {
        if self.last.is_some_and(|it| it.elapsed() > FORGET) {
            self.count = 0;
        }
        self.last = Some(Instant::now());
        self.count = self.count.saturating_add(1);
        self.count - 1
    }

    /// `Init` says that a list is about to be asked for, and nothing of its success.
    fn forget_after<K>(&mut self, event: &Event<K>) {
        if !matches!(event, Event::Init) {
            *self = Self::default();
        }
    }
}

/// What helps after an error.
#[derive(Debug, PartialEq, Eq)]
enum Remedy {
    /// The server refuses to stream the list.
    ListPages,
    /// The resource does not exist (yet, or any more): what was seen of it is void.
    StartAnew,
    /// The watcher recovers by itself.
    GoOn,
}

impl Remedy {
    fn of(error: &watcher::Error, config: &watcher::Config) -> Self {
        let (watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::InitialListFailed(kube::Error::Api(status))) = error
        else {
            return Self::GoOn;
        };
        let streaming = config.initial_list_strategy == InitialListStrategy::StreamingList;
        match status.code {
            // Invalid or bad request: the feature WatchList is off, or not known.
            400 | 422 if streaming => Self::ListPages,
            404 => Self::StartAnew,
            _ => Self::GoOn,
        }
    }
}

#[cfg(test)]
mod tests;
