//! What was asked, how often, and in which order.

use std::{collections::BTreeMap, sync::Arc};

use flyte_registration_proto::flyteidl::descriptor_pool;
use parking_lot::Mutex;
use prost_reflect::DynamicMessage;
use serde::{Deserialize, Serialize};

use crate::dynamic::Fields as _;

/// The log keeps this many calls; the counters go on.
const MAX_LOG: usize = 500_000;

/// A call by what it is about. Fields that a request does not have are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Call {
    /// Name of the method, as `CreateTask`.
    pub rpc: String,
    /// Project.
    pub project: String,
    /// Domain.
    pub domain: String,
    /// Name of the entity.
    pub name: String,
    /// Version of the entity.
    pub version: String,
}

/// How often one call was made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Counted {
    /// The call.
    #[serde(flatten)]
    pub call: Call,
    /// How often.
    pub count: u64,
}

/// A call that was answered or is on its way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Logged {
    /// The call.
    #[serde(flatten)]
    pub call: Call,
    /// Microseconds since 1970.
    pub started: u64,
    /// Microseconds since 1970; absent while it is on its way, and for good when its
    /// caller gave up.
    pub ended: Option<u64>,
    /// Name of the gRPC code of the answer.
    pub code: Option<String>,
}

/// What `GET /counters` answers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// All calls.
    pub total: u64,
    /// Calls on their way.
    pub in_flight: u64,
    /// The most that were on their way at once.
    pub peak_in_flight: u64,
    /// By method.
    pub by_rpc: BTreeMap<String, u64>,
    /// By method and gRPC code, as `CreateTask OK`.
    pub by_code: BTreeMap<String, u64>,
    /// By method and entity.
    pub by_entity: Vec<Counted>,
}

#[derive(Debug, Default)]
struct Inner {
    snapshot: Snapshot,
    by_entity: BTreeMap<Call, u64>,
    log: Vec<Logged>,
    /// Calls that started before it was reset do not end in it.
    epoch: u64,
}

/// Shared by all calls.
#[derive(Debug, Clone, Default)]
pub struct Counters(Arc<Mutex<Inner>>);

/// Counts a call as on its way until it is dropped.
#[derive(Debug)]
pub struct Flight {
    counters: Counters,
    rpc: String,
    position: usize,
    epoch: u64,
}

impl Call {
    /// What a request is about, as far as it can be read.
    pub fn read(service: &str, method: &str, bytes: &[u8]) -> Self {
        let mut call = Self {
            rpc: method.to_owned(),
            ..Self::default()
        };
        let service = descriptor_pool().get_service_by_name(service);
        let method = service.and_then(|service| service.methods().find(|m| m.name() == method));
        let request = method.map(|method| DynamicMessage::decode(method.input(), bytes));
        let Some(Ok(request)) = request else {
            return call;
        };
        let about = request
            .message("id")
            .or_else(|| request.message("project"))
            .unwrap_or(&request);
        about.text("project").clone_into(&mut call.project);
        about.text("domain").clone_into(&mut call.domain);
        about.text("name").clone_into(&mut call.name);
        about.text("version").clone_into(&mut call.version);
        if call.project.is_empty() {
            about.text("id").clone_into(&mut call.project); // calls about projects
        }
        call
    }
}

impl Counters {
    /// Counts a call.
    pub fn start(&self, call: Call) -> Flight {
        let mut inner = self.0.lock();
        let inner = &mut *inner;
        inner.snapshot.total += 1;
        inner.snapshot.in_flight += 1;
        inner.snapshot.peak_in_flight = inner.snapshot.peak_in_flight.max(inner.snapshot.in_flight);
        *inner.snapshot.by_rpc.entry(call.rpc.clone()).or_default() += 1;
        *inner.by_entity.entry(call.clone()).or_default() += 1;
        let flight = Flight {
            counters: self.clone(),
            rpc: call.rpc.clone(),
            position: inner.log.len(),
            epoch: inner.epoch,
        };
        if inner.log.len() < MAX_LOG {
            inner.log.push(Logged {
                call,
                started: crate::store::now(),
                ended: None,
                code: None,
            });
        }
        flight
    }

    /// The counts so far.
    pub fn snapshot(&self) -> Snapshot {
        let inner = self.0.lock();
        let counted = |(call, count): (&Call, &u64)| Counted {
            call: call.clone(),
            count: *count,
        };
        Snapshot {
            by_entity: inner.by_entity.iter().map(counted).collect(),
            ..inner.snapshot.clone()
        }
    }

    /// The calls in their order.
    pub fn log(&self) -> Vec<Logged> {
        self.0.lock().log.clone()
    }

    /// Counts from zero; calls on their way are forgotten.
    pub fn reset(&self) {
        let mut inner = self.0.lock();
        *inner = Inner {
            epoch: inner.epoch + 1,
            ..Inner::default()
        };
    }
}

impl Flight {
    /// The call is answered.
    pub fn end(self, code: tonic::Code) {
        let mut inner = self.counters.0.lock();
        if inner.epoch != self.epoch {
            return;
        }
        let code = format!("{code:?}");
        *inner
            .snapshot
            .by_code
            .entry(format!("{} {code}", self.rpc))
            .or_default() += 1;
        if let Some(logged) = inner.log.get_mut(self.position) {
            logged.ended = Some(crate::store::now());
            logged.code = Some(code);
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut inner = self.counters.0.lock();
        if inner.epoch == self.epoch {
            inner.snapshot.in_flight = inner.snapshot.in_flight.saturating_sub(1);
        }
    }
}
