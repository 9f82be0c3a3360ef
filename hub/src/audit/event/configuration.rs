//! Events of the configuration.

use flyte_registration_crd::bounded;
use jiff::Timestamp;
use serde::Serialize;

use super::{About, Event, Kind, TEXT_MAX, data, id_once};

#[derive(Serialize)]
struct Changed<'a> {
    digest: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// The hub runs with the configuration of this digest from now on.
pub fn changed(digest: &str, at: Timestamp) -> Event {
    event(Kind::ConfigurationChanged, digest, None, at)
}

/// The configuration of this digest cannot be used; that of before goes on.
pub fn rejected(digest: &str, problem: &str, at: Timestamp) -> Event {
    let problem = bounded(problem, TEXT_MAX);
    event(Kind::ConfigurationRejected, digest, Some(problem), at)
}

fn event(kind: Kind, digest: &str, problem: Option<String>, time: Timestamp) -> Event {
    Event {
        id: id_once(),
        time,
        kind,
        about: About::default(),
        data: data(&Changed { digest, problem }),
    }
}
