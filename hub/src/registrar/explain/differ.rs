//! The comparison of messages, field by field.

use std::collections::{BTreeMap, HashMap};

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage as _, Value};

use super::{Change, Difference, Explanation, path::Path, same, shown, types};
use crate::package::text;

/// Deepest message that is looked into. Decoders stop at 100.
const DEPTH_MAX: usize = 60;

/// Fields that say nothing but that a map is inside.
const PLAIN: [&str; 3] = ["variables", "parameters", "literals"];

/// Types are told in short.
const TYPE: &str = "flyteidl.core.LiteralType";

/// Collects differences, the registered side first.
#[derive(Debug)]
pub(super) struct Differ {
    path: Path,
    found: Vec<Difference>,
    max: usize,
    more: bool,
}

impl Differ {
    pub(super) fn new(max: usize) -> Self {
        Self {
            path: Path::default(),
            found: Vec::new(),
            max,
            more: false,
        }
    }

    pub(super) fn explanation(self) -> Explanation {
        Explanation {
            differences: self.found,
            more: self.more,
        }
    }

    /// Notes a difference at this place.
    pub(super) fn found(&mut self, change: Change) {
        if self.found.len() >= self.max {
            self.more = true;
            return;
        }
        self.found.push(Difference {
            path: self.path.as_str().to_owned(),
            change,
        });
    }

    /// Looks into a field.
    pub(super) fn within(&mut self, name: &str, look: impl FnOnce(&mut Self)) {
        let mark = self.path.field(name);
        look(self);
        self.path.back(&mark);
    }

    /// Looks into an entry of a list or map.
    pub(super) fn entry(&mut self, key: &str, look: impl FnOnce(&mut Self)) {
        let mark = self.path.entry(key);
        look(self);
        self.path.back(&mark);
    }

    /// Compares two messages of the same type.
    pub(super) fn messages(&mut self, old: &DynamicMessage, new: &DynamicMessage) {
        // Not worth looking further when nothing of it would be told.
        if self.more {
            return;
        }
        if self.path.depth() > DEPTH_MAX {
            if !same::messages(old, new) {
                self.found(Change::Changed(None));
            }
            return;
        }
        for field in old.descriptor().fields() {
            let (has_old, has_new) = (old.has_field(&field), new.has_field(&field));
            if has_old || has_new {
                let (old, new) = (old.get_field(&field), new.get_field(&field));
                let (old, new) = (has_old.then_some(&*old), has_new.then_some(&*new));
                if field.is_map() && PLAIN.contains(&field.name()) {
                    self.maps(old, new);
                } else {
                    self.within(field.name(), |differ| differ.field(&field, old, new));
                }
            }
        }
        if !old.unknown_fields().eq(new.unknown_fields()) {
            self.within("unknown_fields", |differ| {
                differ.found(Change::Changed(None));
            });
        }
    }

    fn field(&mut self, field: &FieldDescriptor, old: Option<&Value>, new: Option<&Value>) {
        if field.is_map() {
            self.maps(old, new);
        } else if field.is_list() && matches!(field.kind(), Kind::Message(_)) {
            self.entries(&messages_of(old), &messages_of(new));
        } else if matches!(field.kind(), Kind::Message(_)) {
            self.message(
                old.and_then(Value::as_message),
                new.and_then(Value::as_message),
            );
        } else {
            self.plain(field, old, new);
        }
    }

    /// A message that both sides have, or one.
    fn message(&mut self, old: Option<&DynamicMessage>, new: Option<&DynamicMessage>) {
        match (old, new) {
            (Some(old), Some(new)) if old.descriptor().full_name() == TYPE => self.types(old, new),
            (Some(old), Some(new)) if shown::is_opaque(old) => {
                if !same::messages(old, new) {
                    self.found(Change::Changed(None));
                }
            }
            (Some(old), Some(new)) => self.messages(old, new),
            (Some(old), None) => self.one_sided(old, Change::Removed, |differ, none| {
                differ.messages(old, none);
            }),
            (None, Some(new)) => self.one_sided(new, Change::Added, |differ, none| {
                differ.messages(none, new);
            }),
            (None, None) => {}
        }
    }

    fn one_sided(
        &mut self,
        message: &DynamicMessage,
        change: fn(Option<String>) -> Change,
        look: impl FnOnce(&mut Self, &DynamicMessage),
    ) {
        let before = self.found.len();
        if shown::is_open(message) {
            look(self, &DynamicMessage::new(message.descriptor()));
        }
        if self.found.len() == before {
            self.found(change(shown::message(message)));
        }
    }

    /// Types are told in short, not by what is different inside of them.
    fn types(&mut self, old: &DynamicMessage, new: &DynamicMessage) {
        if same::messages(old, new) {
            return;
        }
        let (old, new) = (types::name(old), types::name(new));
        self.found(Change::Changed((old != new).then_some((old, new))));
    }

    fn plain(&mut self, field: &FieldDescriptor, old: Option<&Value>, new: Option<&Value>) {
        let shown = |value: &Value| shown::value(field, value);
        let change = match (old, new) {
            (Some(old), Some(new)) if same::same(old, new) => return,
            (Some(old), Some(new)) => match (shown(old), shown(new)) {
                (Some(old), Some(new)) if old != new => Change::Changed(Some((old, new))),
                _ => resized(old, new),
            },
            (Some(old), None) => Change::Removed(shown(old)),
            (None, Some(new)) => Change::Added(shown(new)),
            (None, None) => return,
        };
        self.found(change);
    }

    /// Lists of messages: by what names the entries if they have names, else by position.
    pub(super) fn entries(&mut self, old: &[&DynamicMessage], new: &[&DynamicMessage]) {
        let before = self.found.len();
        let (Some(olds), Some(news)) = (keyed(old), keyed(new)) else {
            for index in 0..old.len().max(new.len()) {
                self.entry(&index.to_string(), |differ| {
                    differ.message(old.get(index).copied(), new.get(index).copied());
                });
            }
            return;
        };
        let keys = |list: &[&DynamicMessage]| -> Vec<String> {
            list.iter().filter_map(|message| key(message)).collect()
        };
        let (old_keys, new_keys) = (keys(old), keys(new));
        let added = new_keys.iter().filter(|key| !olds.contains_key(*key));
        for key in old_keys.iter().chain(added) {
            self.entry(key, |differ| {
                differ.message(olds.get(key).copied(), news.get(key).copied());
            });
        }
        if self.found.len() == before && old_keys != new_keys {
            self.found(Change::Reordered);
        }
    }

    fn maps(&mut self, old: Option<&Value>, new: Option<&Value>) {
        let (old, new) = (sorted(old), sorted(new));
        let added = new.iter().filter(|(key, _)| !old.contains_key(*key));
        for key in old.iter().chain(added).map(|(key, _)| key) {
            let (old, new) = (old.get(key).copied(), new.get(key).copied());
            let look = |differ: &mut Self| match (old, new) {
                (Some(Value::Message(_)), _) | (_, Some(Value::Message(_))) => differ.message(
                    old.and_then(Value::as_message),
                    new.and_then(Value::as_message),
                ),
                (Some(old), Some(new)) if same::same(old, new) => {}
                (Some(_), Some(_)) => differ.found(Change::Changed(None)),
                (Some(_), None) => differ.found(Change::Removed(None)),
                _ => differ.found(Change::Added(None)),
            };
            if is_identifier(key) {
                self.within(key, look);
            } else {
                self.entry(key, look);
            }
        }
    }
}

fn messages_of(list: Option<&Value>) -> Vec<&DynamicMessage> {
    let list = list.and_then(Value::as_list).unwrap_or_default();
    list.iter().filter_map(Value::as_message).collect()
}

fn sorted(map: Option<&Value>) -> BTreeMap<String, &Value> {
    let name = |key: &MapKey| match key {
        MapKey::String(key) => key.clone(),
        // FlyteIDL has no others.
        other => format!("{other:?}"),
    };
    let entries = map.and_then(Value::as_map).into_iter().flatten();
    entries.map(|(key, value)| (name(key), value)).collect()
}

fn is_identifier(key: &str) -> bool {
    !key.is_empty() && key.len() <= 60 && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A list that grew or shrank is told so, whatever is in it.
fn resized(old: &Value, new: &Value) -> Change {
    match (old, new) {
        (Value::List(old), Value::List(new)) if old.len() != new.len() => {
            Change::Resized(old.len(), new.len())
        }
        _ => Change::Changed(None),
    }
}

/// What names an entry of a list.
fn key(message: &DynamicMessage) -> Option<String> {
    let name = match message.descriptor().full_name() {
        "flyteidl.core.Node" => "id",
        "flyteidl.core.Binding" => "var",
        "flyteidl.core.KeyValuePair" => "key",
        "flyteidl.core.Resources.ResourceEntry" => {
            let field = message.descriptor().get_field_by_name("name")?;
            return shown::value(&field, &message.get_field(&field));
        }
        _ => return None,
    };
    Some(text(message, name).to_owned())
}

/// The entries by their names; `None` if one has no name, or two have the same.
fn keyed<'a>(list: &[&'a DynamicMessage]) -> Option<HashMap<String, &'a DynamicMessage>> {
    let mut keyed = HashMap::new();
    for &message in list {
        if keyed.insert(key(message)?, message).is_some() {
            return None;
        }
    }
    Some(keyed)
}
