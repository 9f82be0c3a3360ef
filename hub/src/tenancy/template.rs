//! Namespaces named after what they register: `103020-flytepoc-{project}-{domain}`.
//!
//! A template is filled in with the project and the domain that somebody asks for, and the
//! result is compared with the namespace. A namespace is never taken apart to learn who it is:
//! that is done only to find that it may be taken apart in several ways, and then to refuse it.

use std::{collections::BTreeSet, fmt};

use regex::Regex;

use super::Reading;

/// Longest name of a namespace: a DNS label.
const NAMESPACE_MAX: usize = 63;
/// More would make the ways to take a namespace apart too many.
const PLACEHOLDERS_MAX: usize = 4;
/// What a free placeholder stands for unless it says so.
const FREE: &str = "[a-z0-9]+";

/// A namespace's name with placeholders: `{project}`, `{domain}`, and free ones such as `{appid}`
/// or `{appid:[0-9]{6}}`.
#[derive(Clone, Debug)]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Project,
    Domain,
    Free(Regex),
}

/// A template that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// A brace that is not closed, or closes nothing.
    #[error("has a brace without its other half")]
    Braces,
    /// No namespace has this text in its name.
    #[error("may have only lower-case letters, digits and '-' around its placeholders, not {0:?}")]
    Text(String),
    /// Not a name.
    #[error("has the placeholder {{{0}}}, which is no name")]
    Name(String),
    /// The name stands for two values, and which counts could not be said.
    #[error("has the placeholder {{{0}}} twice")]
    Twice(String),
    /// The project and the domain are given by the spec.
    #[error("gives {{{0}}} a pattern, but the spec gives it its value")]
    Given(String),
    /// More than can be compared in reasonable time.
    #[error("has more than {PLACEHOLDERS_MAX} placeholders")]
    Many,
    /// The pattern of a free placeholder is no regular expression.
    #[error("has a pattern that is no regular expression")]
    Pattern(#[source] regex::Error),
}

impl Template {
    /// Whether `text` is meant to be a template: it has braces, and not those of a glob.
    pub fn is_meant(text: &str) -> bool {
        let mut groups = text.split('{').skip(1);
        groups.any(|group| {
            let name = group.split(['}', ':']).next().unwrap_or_default();
            is_name(name)
        })
    }

    /// Reads a template.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut names = BTreeSet::new();
        let mut rest = text;
        while !rest.is_empty() {
            let Some((before, after)) = rest.split_once('{') else {
                push_text(&mut parts, rest)?;
                break;
            };
            push_text(&mut parts, before)?;
            let end = closing(after).ok_or(TemplateError::Braces)?;
            let inside = &after[..end];
            let (name, pattern) = match inside.split_once(':') {
                Some((name, pattern)) => (name, Some(pattern)),
                None => (inside, None),
            };
            if !is_name(name) {
                return Err(TemplateError::Name(name.to_owned()));
            }
            let is_free = !["project", "domain"].contains(&name);
            if !names.insert(name.to_owned()) && is_free {
                return Err(TemplateError::Twice(name.to_owned()));
            }
            parts.push(match (name, pattern) {
                ("project", None) => Part::Project,
                ("domain", None) => Part::Domain,
                ("project" | "domain", Some(_)) => {
                    return Err(TemplateError::Given(name.to_owned()));
                }
                (_, pattern) => Part::Free(whole(pattern.unwrap_or(FREE))?),
            });
            rest = &after[end + 1..];
        }
        let text = text.to_owned();
        let template = Self { text, parts };
        let placeholders = template
            .parts
            .iter()
            .filter(|part| !matches!(part, Part::Text(_)));
        if placeholders.count() > PLACEHOLDERS_MAX {
            return Err(TemplateError::Many);
        }
        Ok(template)
    }

    /// Whether the template, filled in with this project and domain, is `namespace`.
    pub fn renders(&self, namespace: &str, project: &str, domain: &str) -> bool {
        let wanted = Reading {
            project: Some(project),
            domain: Some(domain),
        };
        let mut found = false;
        self.walk(namespace, wanted, &mut |_| found = true);
        found
    }

    /// All projects and domains that the template would make `namespace` of, allowed or not;
    /// `None` for what it does not mention.
    pub fn readings<'a>(&self, namespace: &'a str) -> BTreeSet<Reading<'a>> {
        let mut readings = BTreeSet::new();
        self.walk(namespace, Reading::default(), &mut |reading| {
            readings.insert(reading);
        });
        readings
    }

    /// A glob that matches all that the template can be.
    pub(super) fn glob(&self) -> String {
        let parts = self.parts.iter().map(|part| match part {
            Part::Text(text) => text.as_str(),
            _ => "*",
        });
        parts.collect()
    }

    /// The template with these values, free placeholders with one of the `free` that fits.
    pub(super) fn example(&self, project: &str, domain: &str, free: &[String]) -> Option<String> {
        let parts = self.parts.iter().map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            Part::Project => Some(project),
            Part::Domain => Some(domain),
            Part::Free(pattern) => free
                .iter()
                .find(|value| pattern.is_match(value))
                .map(String::as_str),
        });
        parts.collect()
    }

    fn walk<'a>(
        &self,
        namespace: &'a str,
        bound: Reading<'a>,
        found: &mut impl FnMut(Reading<'a>),
    ) {
        // Of other names no namespace is made, and slices below are of whole characters.
        if namespace.len() <= NAMESPACE_MAX && namespace.is_ascii() {
            walk(&self.parts, namespace, bound, found);
        }
    }
}

/// Tries the first of `parts` at the beginning of `rest` with all that it may stand for. The
/// depth is that of the parts, the breadth that of a namespace.
fn walk<'a>(
    parts: &[Part],
    rest: &'a str,
    bound: Reading<'a>,
    found: &mut impl FnMut(Reading<'a>),
) {
    let Some((part, parts)) = parts.split_first() else {
        if rest.is_empty() {
            found(bound);
        }
        return;
    };
    let splits = || (1..=rest.len()).map(|at| rest.split_at(at));
    let known = match part {
        Part::Text(text) => Some(text.as_str()),
        Part::Project => bound.project,
        Part::Domain => bound.domain,
        Part::Free(pattern) => {
            for (value, rest) in splits().filter(|(value, _)| pattern.is_match(value)) {
                let _ = value;
                walk(parts, rest, bound, found);
            }
            return;
        }
    };
    if let Some(known) = known {
        if let Some(rest) = rest.strip_prefix(known) {
            walk(parts, rest, bound, found);
        }
        return;
    }
    for (value, rest) in splits().filter(|(value, _)| is_id(value)) {
        let bound = match part {
            Part::Project => Reading {
                project: Some(value),
                ..bound
            },
            _ => Reading {
                domain: Some(value),
                ..bound
            },
        };
        walk(parts, rest, bound, found);
    }
}

fn push_text(parts: &mut Vec<Part>, text: &str) -> Result<(), TemplateError> {
    let label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if text.contains('}') {
        return Err(TemplateError::Braces);
    }
    if !text.chars().all(label) {
        return Err(TemplateError::Text(text.to_owned()));
    }
    if !text.is_empty() {
        parts.push(Part::Text(text.to_owned()));
    }
    Ok(())
}

/// Where the brace is that closes what was opened before `text`: patterns have braces too.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 1_usize;
    text.char_indices().find_map(|(at, c)| {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        (depth == 0).then_some(at)
    })
}

fn whole(pattern: &str) -> Result<Regex, TemplateError> {
    Regex::new(&format!("^(?:{pattern})$")).map_err(TemplateError::Pattern)
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric())
}

/// Whether a part of a namespace's name can be a project or a domain.
fn is_id(value: &str) -> bool {
    !value.starts_with('-') && !value.ends_with('-')
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
