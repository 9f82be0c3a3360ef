//! What a tenant's namespaces are called.

use std::fmt;

use serde::Deserialize;

use super::{Glob, Template};

/// A pattern of namespaces.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub enum NamespacePattern {
    /// Of names, whatever is asked for.
    Glob(Glob),
    /// Of names made of the project and the domain that are asked for.
    Template(Template),
}

/// What a template takes a namespace for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reading<'a> {
    /// The project, if the template mentions one.
    pub project: Option<&'a str>,
    /// The domain, if the template mentions one.
    pub domain: Option<&'a str>,
}

impl Reading<'_> {
    /// Whether it does not speak against this project and domain.
    pub(super) fn agrees(self, project: &str, domain: &str) -> bool {
        self.project.is_none_or(|it| it == project) && self.domain.is_none_or(|it| it == domain)
    }
}

impl NamespacePattern {
    /// Whether `namespace` may ask for this project and domain.
    pub fn matches(&self, namespace: &str, project: &str, domain: &str) -> bool {
        match self {
            Self::Glob(glob) => glob.matches(namespace),
            Self::Template(template) => template.renders(namespace, project, domain),
        }
    }

    /// The template, if it is one.
    pub(super) fn template(&self) -> Option<&Template> {
        match self {
            Self::Glob(_) => None,
            Self::Template(template) => Some(template),
        }
    }

    /// The glob, if it is one.
    pub(super) fn glob(&self) -> Option<&Glob> {
        match self {
            Self::Glob(glob) => Some(glob),
            Self::Template(_) => None,
        }
    }
}

impl TryFrom<String> for NamespacePattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if Template::is_meant(&text) {
            let template = Template::parse(&text);
            return template
                .map(Self::Template)
                .map_err(|error| format!("the template {text} {error}"));
        }
        Glob::try_from(text)
            .map(Self::Glob)
            .map_err(|error| error.to_string())
    }
}

impl fmt::Display for NamespacePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Glob(glob) => glob.fmt(f),
            Self::Template(template) => template.fmt(f),
        }
    }
}
