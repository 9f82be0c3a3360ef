//! What is asked for, from the query of a URI. Pure.

use axum::http::Uri;
use flyte_registration_crd::Reason;
use url::form_urlencoded;

use super::paging::{self, Limit};
use crate::{
    audit::store::history::Filter,
    fleet::{ObjectId, view::Wanted},
};

/// Longest value of a parameter, in bytes.
const VALUE_MAX: usize = 2048;

/// The query is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadQuery {
    #[error("there is no parameter {0:?}; there are {1}")]
    Unknown(String, &'static str),
    #[error("{0} is given twice, or too long")]
    Value(String),
    #[error("limit must be 1 to {}", Limit::MAX)]
    Limit,
    #[error("continue must be what the page before said")]
    Continue,
    #[error("state must be one of {}", Reason::ALL.iter().map(|reason| reason.as_str()).collect::<Vec<_>>().join(", "))]
    State,
}

/// Of `/api/v1/registrations`.
#[derive(Debug, Default)]
pub(super) struct RegistrationsQuery {
    pub wanted: Wanted,
    pub limit: Limit,
    pub after: Option<ObjectId>,
}

/// Of `/api/v1/history`.
#[derive(Debug, Default)]
pub(super) struct HistoryQuery {
    pub filter: Filter,
    pub limit: Limit,
    pub below: Option<i64>,
}

impl RegistrationsQuery {
    pub fn read(uri: &Uri) -> Result<Self, BadQuery> {
        let mut query = Self::default();
        for (name, value) in parameters(uri)? {
            match name.as_str() {
                "cluster" => query.wanted.cluster = Some(value),
                "namespace" => query.wanted.namespace = Some(value),
                "project" => query.wanted.project = Some(value),
                "state" => query.wanted.reason = Some(state(&value)?),
                "limit" => query.limit = Limit::read(&value).ok_or(BadQuery::Limit)?,
                "continue" => {
                    query.after = Some(paging::read_after(&value).ok_or(BadQuery::Continue)?);
                }
                _ => {
                    const ALL: &str = "cluster, namespace, project, state, limit, continue";
                    return Err(BadQuery::Unknown(name, ALL));
                }
            }
        }
        Ok(query)
    }
}

impl HistoryQuery {
    pub fn read(uri: &Uri) -> Result<Self, BadQuery> {
        let mut query = Self::default();
        for (name, value) in parameters(uri)? {
            match name.as_str() {
                "cluster" => query.filter.cluster = Some(value),
                "namespace" => query.filter.namespace = Some(value),
                "name" => query.filter.name = Some(value),
                "project" => query.filter.project = Some(value),
                "type" => query.filter.kind = Some(value),
                "limit" => query.limit = Limit::read(&value).ok_or(BadQuery::Limit)?,
                "continue" => {
                    query.below = Some(paging::read_below(&value).ok_or(BadQuery::Continue)?);
                }
                _ => {
                    const ALL: &str = "cluster, namespace, name, project, type, limit, continue";
                    return Err(BadQuery::Unknown(name, ALL));
                }
            }
        }
        Ok(query)
    }
}

/// Each at most once, and none too long.
fn parameters(uri: &Uri) -> Result<Vec<(String, String)>, BadQuery> {
    let query = uri.query().unwrap_or_default();
    let mut parameters: Vec<(String, String)> = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let twice = parameters.iter().any(|(other, _)| *other == name);
        if twice || value.len() > VALUE_MAX {
            return Err(BadQuery::Value(name.into_owned()));
        }
        parameters.push((name.into_owned(), value.into_owned()));
    }
    Ok(parameters)
}

fn state(text: &str) -> Result<Reason, BadQuery> {
    let is = |reason: &&Reason| reason.as_str().eq_ignore_ascii_case(text);
    Reason::ALL.iter().find(is).copied().ok_or(BadQuery::State)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registrations(query: &str) -> Result<RegistrationsQuery, BadQuery> {
        RegistrationsQuery::read(&format!("/api/v1/registrations?{query}").parse().unwrap())
    }

    #[test]
    fn parameters_are_understood_or_refused() {
        let query = registrations("cluster=east&state=denied&limit=7&namespace=a%2Db").unwrap();
        assert_eq!(query.wanted.cluster.as_deref(), Some("east"));
        assert_eq!(query.wanted.namespace.as_deref(), Some("a-b"));
        assert_eq!(query.wanted.reason, Some(Reason::Denied));
        assert_eq!(query.limit.get(), 7);
        assert_eq!(registrations("").unwrap().limit.get(), 100);
        for (bad, expected) in [
            ("limit=0", BadQuery::Limit),
            ("limit=501", BadQuery::Limit),
            ("limit=many", BadQuery::Limit),
            ("continue=abc", BadQuery::Continue),
            ("state=Fine", BadQuery::State),
            ("cluster=a&cluster=b", BadQuery::Value("cluster".to_owned())),
        ] {
            assert_eq!(registrations(bad).unwrap_err(), expected, "{bad}");
        }
        let unknown = registrations("clusters=a").unwrap_err();
        assert!(
            unknown.to_string().contains("cluster, namespace"),
            "{unknown}"
        );
        let uri = "/api/v1/history?type=t&name=n".parse().unwrap();
        assert_eq!(
            HistoryQuery::read(&uri).unwrap().filter.kind.as_deref(),
            Some("t")
        );
    }
}
