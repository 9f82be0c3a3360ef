//! Checks that several calls share.

use flyte_registration_proto::flyteidl::{admin, core};

use crate::{
    error::{AdminError, Answer},
    golang::text,
    store::State,
};

/// Largest number of labels on projects and launch plans.
const MAX_LABELS: usize = 16;

/// A field must not be empty.
pub fn required(value: &str, name: &str) -> Answer<()> {
    if value.is_empty() {
        Err(AdminError::missing(name))
    } else {
        Ok(())
    }
}

/// Of the right type, and complete.
pub fn identifier(
    id: Option<&core::Identifier>,
    kind: core::ResourceType,
) -> Answer<&core::Identifier> {
    let Some(id) = id else {
        return Err(AdminError::missing("id"));
    };
    if id.resource_type() != kind || id.resource_type != kind as i32 {
        return Err(AdminError::invalid(format!(
            "unexpected resource type {} for identifier [{}], expected {} instead",
            id.resource_type().as_str_name().to_lowercase(),
            text::identifier(Some(id)),
            kind.as_str_name().to_lowercase(),
        )));
    }
    required(&id.project, "project")?;
    required(&id.domain, "domain")?;
    required(&id.name, "name")?;
    required(&id.version, "version")?;
    Ok(id)
}

/// Reading fills a missing type in.
pub fn typed(id: Option<core::Identifier>, kind: core::ResourceType) -> Option<core::Identifier> {
    id.map(|mut id| {
        if id.resource_type == core::ResourceType::Unspecified as i32 {
            id.resource_type = kind.into();
        }
        id
    })
}

/// A name in a project and domain.
pub fn named(id: Option<&admin::NamedEntityIdentifier>) -> Answer<&admin::NamedEntityIdentifier> {
    let id = id.ok_or_else(|| AdminError::missing("id"))?;
    required(&id.project, "project")?;
    required(&id.domain, "domain")?;
    required(&id.name, "name")?;
    Ok(id)
}

/// The project exists and is active, and the domain is configured.
pub fn project_and_domain(
    state: &State,
    domains: &[String],
    project: &str,
    domain: &str,
) -> Answer<()> {
    let Some(found) = state.projects.get(project) else {
        return Err(AdminError::invalid(format!(
            "failed to validate that project [{project}] and domain [{domain}] are registered, \
             err: [project [{project}] not found]"
        )));
    };
    if found.state != admin::project::ProjectState::Active as i32 {
        let detail = admin::InactiveProject {
            id: project.to_owned(),
            org: String::new(),
        };
        let error = AdminError::invalid(format!("project [{project}] is not active"));
        return Err(error.with_detail("InactiveProject", &detail));
    }
    if !domains.iter().any(|known| known == domain) {
        let text = format!("domain [{domain}] is unrecognized by system");
        return Err(AdminError::invalid(text));
    }
    Ok(())
}

/// Few enough, and Kubernetes would take them.
pub fn labels(labels: Option<&admin::Labels>) -> Answer<()> {
    let Some(labels) = labels else { return Ok(()) };
    if labels.values.len() > MAX_LABELS {
        let text = format!("labels map cannot exceed {MAX_LABELS} entries");
        return Err(AdminError::invalid(text));
    }
    let mut labels: Vec<_> = labels.values.iter().collect();
    labels.sort();
    for (key, value) in labels {
        if let Some(reason) = bad_label_key(key) {
            return Err(AdminError::invalid(format!(
                "invalid label key [{key}]: [{reason}]"
            )));
        }
        if let Some(reason) = bad_label_value(value) {
            return Err(AdminError::invalid(format!(
                "invalid label value [{value}]: [{reason}]"
            )));
        }
    }
    Ok(())
}

const NAME_FORM: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";

fn is_name(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.chars().all(inner)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}

fn bad_label_key(key: &str) -> Option<String> {
    let name = key.rsplit_once('/').map_or(key, |(_, name)| name);
    if name.is_empty() {
        return Some("name part must be non-empty".to_owned());
    }
    if name.len() > 63 {
        return Some("name part must be no more than 63 characters".to_owned());
    }
    (!is_name(name)).then(|| {
        format!(
            "name part must consist of alphanumeric characters, '-', '_' or '.', and must start \
             and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', \
             regex used for validation is '{NAME_FORM}')"
        )
    })
}

fn bad_label_value(value: &str) -> Option<String> {
    if value.len() > 63 {
        return Some("must be no more than 63 characters".to_owned());
    }
    (!value.is_empty() && !is_name(value)).then(|| {
        "a valid label must be an empty string or consist of alphanumeric characters, '-', \
             '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  \
             or 'my_value',  or '12345', regex used for validation is \
             '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
            .to_owned()
    })
}

/// Why a text is no DNS label, in Kubernetes' words.
pub fn bad_dns_label(text: &str) -> Option<String> {
    if text.len() > 63 {
        return Some("must be no more than 63 characters".to_owned());
    }
    if text.contains('.') {
        return Some("must not contain dots".to_owned());
    }
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let good =
        text.chars().all(|c| edge(c) || c == '-') && text.starts_with(edge) && text.ends_with(edge);
    (!good).then(|| {
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', \
         and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', \
         regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
            .to_owned()
    })
}
