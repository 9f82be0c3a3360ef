//! Events of agents that connect.

use std::collections::BTreeMap;

use flyte_registration_crd::bounded;
use jiff::Timestamp;
use serde::Serialize;

use super::{About, Event, Kind, TEXT_MAX, data, id_once};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Authenticated<'a> {
    cluster: &'a str,
    how: &'a str,
    count: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Refused<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    claimed: &'a str,
    reasons: &'a BTreeMap<String, u64>,
    count: u64,
}

/// The agent of `cluster` was let in, `count` times since this was last told.
pub fn authenticated(cluster: &str, how: &str, count: u64, at: Timestamp) -> Event {
    let data = data(&Authenticated {
        cluster,
        how: &bounded(how, TEXT_MAX),
        count,
    });
    event(Kind::AgentAuthenticated, cluster, data, at)
}

/// Somebody was not let in. `claimed` is whom they said to be, which nothing proves; `reasons` says
/// how often and why.
pub fn refused(claimed: &str, reasons: &BTreeMap<String, u64>, at: Timestamp) -> Event {
    let data = data(&Refused {
        claimed: &bounded(claimed, TEXT_MAX),
        reasons,
        count: reasons.values().sum(),
    });
    event(Kind::AgentRefused, "", data, at)
}

fn event(kind: Kind, cluster: &str, data: serde_json::Value, time: Timestamp) -> Event {
    Event {
        id: id_once(),
        time,
        kind,
        about: About {
            cluster: cluster.to_owned(),
            ..About::default()
        },
        data,
    }
}
